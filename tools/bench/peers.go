package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"afteryou/internal/demo"
)

// peers returns the other programs at hand for the same job. They are measured like ways of our own.
func peers(dir string) []way {
	list := []way{
		{name: "flock", about: "util-linux: `flock FILE claude`, one session at a time",
			start: func(_, claude string, _ demo.Scenario) demo.Way {
				w := demo.Native("flock")
				w.Args = []string{filepath.Join(dir, fmt.Sprint("lock", time.Now().UnixNano())), claude}
				return w
			}},
		{name: "nginx", about: "nginx: `limit_req` in front of the API, told the limit by hand",
			start: func(_, claude string, work demo.Scenario) demo.Way {
				w := demo.Native(claude)
				w.Front = func(ctx context.Context, api string) (string, func(), error) { return nginx(ctx, dir, api, work) }
				return w
			}},
	}
	for i := range list {
		list[i].peer = true
	}
	return list
}

// nginxConfig takes a directory, calls a minute, an address, how many calls may come at once beyond the first, and a URL.
const nginxConfig = `daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_max_body_size 0;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	limit_req_zone $server_name zone=api:1m rate=%.0[2]fr/m;
	server {
		listen %[3]s;
		location / {
			limit_req zone=api burst=1000 delay=%.0[4]f;
			proxy_pass %[5]s;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffering off;
			proxy_read_timeout 600s;
		}
	}
}
`

// nginx starts one that lets calls through at the pace that the limit has at first. A person would tell it: for a
// limit of tokens, how many calls that makes on average.
func nginx(ctx context.Context, parent, api string, work demo.Scenario) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp(parent, "nginx-")
	if err != nil {
		return "", nil, err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address := free.Addr().String()
	free.Close() // another could take it before nginx does: then nginx says so
	config := fmt.Sprintf(nginxConfig, dir, work.Pace()*60, address, max(work.Burst-1, 0), api)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.Command("nginx", "-c", path, "-p", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = func() {
		cmd.Process.Signal(os.Interrupt)
		<-ended
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return "http://" + address, stop, nil
		}
		select {
		case err := <-ended:
			return "", nil, fmt.Errorf("nginx: %w", err)
		case <-ctx.Done():
		default:
			if time.Now().Before(deadline) {
				continue
			}
		}
		stop()
		return "", nil, fmt.Errorf("nginx does not listen: %w", context.Cause(ctx))
	}
}
