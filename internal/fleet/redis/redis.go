// Package redis lets machines meet on a Redis or Valkey server: one exchange is one script and one round trip.
//
// Nothing it does lasts longer than [Deadline], whatever the server or the network do. It never tries again by itself, and keeps
// one connection. What is exchanged package fleet says.
package redis

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/gomodule/redigo/redis"

	"afteryou/internal/fleet"
)

// Deadline bounds an exchange, with all that comes before it: the address looked up, the connection, the login.
const Deadline = 200 * time.Millisecond

// Prefix begins each key; the number is that of their layout.
const Prefix = "afteryou:1:"

// mostText bounds what is told beside the numbers, in bytes.
const mostText = 1000

//go:embed exchange.lua
var source string

// Server is one that machines meet on. It is for one goroutine at a time; whoever makes one closes it.
type Server struct {
	address Address
	script  *redis.Script
	conn    redis.Conn
	line    net.Conn // that conn is made of
}

// New makes no connection yet.
func New(a Address) *Server { return &Server{address: a} }

// Close ends the connection.
func (s *Server) Close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// Exchange tells and asks.
func (s *Server) Exchange(a fleet.Ask) (out fleet.Answer, err error) {
	out, _, err = s.exchange(a)
	return out, err
}

// exchange is Exchange with the time of the server's clock, in ms.
func (s *Server) exchange(a fleet.Ask) (out fleet.Answer, now int64, err error) {
	if len(a.Text) > mostText {
		return out, 0, errors.New("there is too much to tell")
	}
	if s.script == nil {
		s.script = redis.NewScript(6, source)
	}
	if err := s.connect(); err != nil {
		return out, 0, fmt.Errorf("connecting to %s: %w", s.address, err)
	}
	var args []any
	for _, part := range []string{"p", "l", "d", "g", "m", "h"} {
		args = append(args, Prefix+"{"+a.Pool+"}:"+part)
	}
	news := 0
	if a.News {
		news = 1
	}
	args = append(args, a.Machine, a.Demand, a.Ticket, a.Age.Milliseconds(), a.Way.Milliseconds(), a.Cool.Milliseconds(), exact(a.Loose), a.Version,
		exact(a.Rate), exact(a.Top), a.Text, news)
	values, err := redis.Strings(s.script.Do(s.conn, args...))
	if err == nil {
		out, now, err = read(values)
	}
	if err != nil {
		s.Close() // what comes next on it may be an answer to this
		return fleet.Answer{}, 0, fmt.Errorf("asking %s: %w", s.address, err)
	}
	return out, now, nil
}

// connect sees to it that there is a connection, and has all that is done on it end in time.
func (s *Server) connect() error {
	until := time.Now().Add(Deadline)
	if s.conn != nil {
		return s.line.SetDeadline(until)
	}
	ctx, cancel := context.WithDeadline(context.Background(), until)
	defer cancel()
	a := s.address
	options := []redis.DialOption{redis.DialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s.line = conn
		return unhurried{conn}, conn.SetDeadline(until)
	}), redis.DialUsername(a.User), redis.DialPassword(a.Password), redis.DialDatabase(a.Database)}
	if a.TLS {
		host, _, _ := net.SplitHostPort(a.Host)
		options = append(options, redis.DialUseTLS(true), redis.DialTLSConfig(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}))
	}
	conn, err := redis.DialContext(ctx, a.Network, a.Host, options...)
	if err == nil {
		s.conn = conn
	}
	return err
}

// unhurried is a connection whose deadline only we set: the client takes it off before each step.
type unhurried struct{ net.Conn }

func (unhurried) SetDeadline(time.Time) error      { return nil }
func (unhurried) SetReadDeadline(time.Time) error  { return nil }
func (unhurried) SetWriteDeadline(time.Time) error { return nil }

func exact(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// read makes an answer of what the script returns.
func read(values []string) (out fleet.Answer, now int64, err error) {
	if len(values) != 13 || len(values[11]) > mostText {
		return out, 0, errors.New("that is no answer of ours")
	}
	var n [13]float64
	for i, v := range values {
		if i == 11 {
			continue
		}
		if n[i], err = strconv.ParseFloat(v, 64); err != nil || math.IsNaN(n[i]) || math.Abs(n[i]) > 1e15 {
			return out, 0, errors.New("that is no answer of ours")
		}
	}
	ms := func(x float64) time.Duration { return time.Duration(min(x, 1e10)) * time.Millisecond }
	return fleet.Answer{Granted: n[0] == 1, Wait: ms(n[1]), Ahead: int(n[2]), Line: int(n[3]), Machines: int(n[4]), Demand: int(n[5]), Cool: ms(n[6]), Sent: n[7],
		Belief: fleet.Belief{Version: int(n[8]), Rate: n[9], Top: n[10], Text: values[11]}}, int64(n[12]), nil
}
