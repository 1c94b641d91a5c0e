package redis

import (
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"afteryou/internal/fleet"
)

// Condition is how it stands with a server.
type Condition struct {
	Trip  time.Duration // an exchange
	Ahead time.Duration // its clock before ours, about
	// Software and Version are empty where the server does not tell us, and so is Policy: what it does when it is full.
	Software, Version, Policy string
}

// Look makes one exchange, of a limit that is none, and asks the server about itself. An error says that machines can't meet there.
func (s *Server) Look() (c Condition, err error) {
	ask := fleet.Ask{Pool: "doctor", Machine: "doctor"}
	if _, _, err = s.exchange(ask); err != nil { // with the connection
		return c, err
	}
	begin := time.Now()
	_, now, err := s.exchange(ask)
	if err != nil {
		return c, err
	}
	c.Trip = time.Since(begin)
	c.Ahead = time.UnixMilli(now).Sub(begin.Add(c.Trip / 2))
	if s.connect() != nil {
		return c, nil
	}
	info, err := redis.String(s.conn.Do("INFO"))
	if err != nil {
		return c, nil // its ACL does not let us ask
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "redis_version":
			c.Software, c.Version = "Redis", value
		case "valkey_version":
			c.Software, c.Version = "Valkey", value
		case "maxmemory_policy":
			c.Policy = value
		}
	}
	return c, nil
}
