// Package realredis runs the real redis-server for tests: on a socket in a directory of its own, with nothing saved, until it is
// told to end. It needs redis-server in PATH.
package realredis

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Server is one that runs.
type Server struct {
	// Socket is where it listens, and Dir where its log is, and its dump if it is told to save one.
	Socket, Dir string
	arguments   []string
	cmd         *exec.Cmd
	ended       chan struct{}
}

// Start runs a server in a new directory, with more arguments if there are, and returns when it listens. Whoever starts it stops it.
func Start(arguments ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "afteryou-redis-") // a path of a socket must be short
	if err != nil {
		return nil, err
	}
	s := &Server{Socket: filepath.Join(dir, "redis.sock"), Dir: dir, arguments: arguments}
	if err := s.Restart(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// Stop ends it and removes what it leaves.
func (s *Server) Stop() {
	s.Kill()
	os.RemoveAll(s.Dir)
}

// URL is what the setting share holds for it.
func (s *Server) URL() string { return "unix://" + s.Socket }

// Restart runs it again, with nothing in it.
func (s *Server) Restart() error {
	args := append([]string{"--port", "0", "--unixsocket", s.Socket, "--save", "", "--appendonly", "no", "--dir", s.Dir, "--logfile", filepath.Join(s.Dir, "redis.log")},
		s.arguments...)
	cmd := exec.Command("redis-server", args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	s.cmd, s.ended = cmd, ended
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("unix", s.Socket); err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			log, _ := os.ReadFile(filepath.Join(s.Dir, "redis.log"))
			return fmt.Errorf("redis-server ended: %s", log)
		default:
		}
	}
	s.Kill()
	return errors.New("redis-server does not listen")
}

// Kill ends it at once, by its pid. It may be started again.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.ended
	os.Remove(s.Socket)
}

// Signal sends it a signal, such as SIGSTOP.
func (s *Server) Signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

// Watch notes all that is said to the server. heard ends that, and returns what was said, but for the path of its socket, and what the
// server keeps.
func (s *Server) Watch() (heard func() (said, kept string, err error), err error) {
	monitor := exec.Command("redis-cli", "-s", s.Socket, "monitor")
	var saw strings.Builder
	monitor.Stdout = &saw
	if err := monitor.Start(); err != nil {
		return nil, err
	}
	return func() (said, kept string, err error) {
		monitor.Process.Signal(syscall.SIGTERM)
		monitor.Wait()
		said = strings.ReplaceAll(saw.String(), s.Socket, "")
		if out, err := exec.Command("redis-cli", "-s", s.Socket, "save").CombinedOutput(); err != nil {
			return said, "", fmt.Errorf("save: %w: %s", err, out)
		}
		dump, err := os.ReadFile(filepath.Join(s.Dir, "dump.rdb"))
		return said, string(dump), err
	}, nil
}
