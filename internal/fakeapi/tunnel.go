package fakeapi

import (
	"io"
	"net"
	"net/http"
)

// Tunnel answers a CONNECT with a connection to one address, wherever the client wants to go. It blocks until one of the
// two hangs up.
func Tunnel(w http.ResponseWriter, to string) {
	up, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer up.Close()
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { io.Copy(up, client); up.Close() }()
	io.Copy(client, up)
}
