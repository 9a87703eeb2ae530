package main

import (
	"net"
	"net/http"
	"time"
)

func serve(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return http.Serve(l, handler(time.Now()))
}
