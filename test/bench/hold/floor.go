package main

import (
	"context"
	"net"
	"time"

	"github.com/org/vdi-operator/test/bench/process"
	"github.com/org/vdi-operator/test/bench/replica"
)

// floor is the minimal server; see test/bench/floor.
type floor struct{ server *process.Process }

func (f *floor) name() string { return nameFloor }

func (f *floor) begin(ctx context.Context, _ int) (*holder, error) {
	at, err := replica.FreeAddress()
	if err != nil {
		return nil, err
	}
	if f.server, err = process.Start(ctx, nil, floorProgram, "--listen", at); err != nil {
		return nil, err
	}
	err = replica.Await(ctx, "the server", func() error {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return &holder{process: f.server, targets: []target{{Address: at, Path: signalingPath}}}, err
}

// appear: nothing ever comes of waiting here.
func (f *floor) appear(context.Context) (time.Time, error) { return time.Time{}, nil }

func (f *floor) rest(context.Context) error {
	if f.server != nil {
		f.server.End()
	}
	f.server = nil
	return nil
}

func (f *floor) end() error { return nil }
