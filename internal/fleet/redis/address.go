package redis

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Address is where a server is, and as whom to log in.
type Address struct {
	Network, Host  string // "tcp" and host:port, or "unix" and a path
	TLS            bool
	User, Password string
	Database       int
}

// Parse reads redis://user:password@host:port/database, the same with rediss (TLS), or unix://user:password@/path?db=database. Errors
// hold no word of it: there may be a password in it.
func Parse(text string) (a Address, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return a, errors.New("no address of a server")
	}
	database := strings.TrimPrefix(u.Path, "/")
	switch u.Scheme {
	case "redis", "rediss":
		a.Network, a.TLS = "tcp", u.Scheme == "rediss"
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		if u.Hostname() == "" {
			return a, errors.New("no host in the address")
		}
		a.Host = net.JoinHostPort(u.Hostname(), port)
	case "unix":
		a.Network, a.Host, database = "unix", u.Path, u.Query().Get("db")
		if u.Host != "" || a.Host == "" {
			return a, errors.New("no absolute path in the address")
		}
	default:
		return a, errors.New("no redis, rediss or unix address")
	}
	if database != "" {
		if a.Database, err = strconv.Atoi(database); err != nil || a.Database < 0 {
			return a, errors.New("no number of a database in the address")
		}
	}
	a.User = u.User.Username()
	a.Password, _ = u.User.Password()
	return a, nil
}

// String is the address without what is secret.
func (a Address) String() string {
	scheme := map[bool]string{false: "redis", true: "rediss"}[a.TLS]
	if a.Network == "unix" {
		return "unix://" + a.Host
	}
	return scheme + "://" + a.Host
}
