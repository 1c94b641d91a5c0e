package partner

import "net"

// peer is the user at the other end; not ok where the system does not tell.
func peer(c *net.UnixConn) (uid int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	raw.Control(func(fd uintptr) { uid, err = owner(int(fd)) })
	return uid, err == nil
}
