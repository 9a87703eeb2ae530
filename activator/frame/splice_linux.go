package frame

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// spliceFrom is the least rest of a frame that goes from socket to socket within
	// the kernel; below it, two system calls more cost more than two copies.
	spliceFrom = 64 << 10
	// pipeSize is how much is on its way in the kernel at once, in bytes: the most that
	// an unprivileged process may ask for (pipe(7), pipe-max-size).
	pipeSize = 1 << 20
	// sparePipes bounds the pipes that are kept for the next long frame.
	sparePipes = 32
)

// pipe is where spliced bytes wait between two sockets.
type pipe struct{ r, w int }

var spare = make(chan pipe, sparePipes)

func takePipe() (pipe, error) {
	select {
	case p := <-spare:
		return p, nil
	default:
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, err
	}
	// Without it the pipe is only smaller.
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize)
	return pipe{fds[0], fds[1]}, nil
}

func (p pipe) giveBack() {
	select {
	case spare <- p:
	default:
		p.close()
	}
}

func (p pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

// Splice moves what is still to come of a long frame from r to w, without it ever
// entering this process, and reports each part moved. handled is false when the
// frame is short, or a side is no socket.
func Splice(r *Reader, w *Writer, moved func(int)) (handled bool, err error) {
	if r.rest < spliceFrom || len(r.window()) > 0 || r.socket == nil {
		return false, nil
	}
	to, ok := w.conn.(*net.TCPConn)
	if !ok {
		return false, nil
	}
	dst, err := to.SyscallConn()
	if err != nil {
		return false, nil // copying will report the error
	}
	p, err := takePipe()
	if err != nil {
		return false, nil // copying needs no pipe
	}
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	if w.broken {
		p.close()
		return true, &WriteError{errBroken}
	}
	if err := r.splice(p, w, dst, moved); err != nil {
		p.close() // there may be something in it
		return true, err
	}
	p.giveBack()
	return true, w.passed(false, r.open)
}

func (r *Reader) splice(p pipe, w *Writer, dst syscall.RawConn, moved func(int)) error {
	w.mid, w.open = true, true
	for r.rest > 0 {
		n, err := drain(r.socket, p.w, int(min(r.rest, pipeSize)))
		if err != nil {
			return err
		}
		r.reads.Add(1)
		r.rest -= int64(n)
		moved(n)
		for n > 0 {
			w.extend()
			out, err := pump(dst, p.r, n)
			if err != nil {
				w.broken = true
				return &WriteError{err}
			}
			n -= out
		}
	}
	return nil
}

// drain waits for the socket and moves what it has into the pipe.
func drain(src syscall.RawConn, to, most int) (int, error) {
	return await(src.Read, func(fd int) (int, error) { return splice(fd, to, most) }, io.EOF)
}

// pump waits for the socket and moves what is in the pipe into it.
func pump(dst syscall.RawConn, from, most int) (int, error) {
	return await(dst.Write, func(fd int) (int, error) { return splice(from, fd, most) }, io.ErrShortWrite)
}

// await waits until a socket is ready to move something; moving nothing is that error.
func await(ready func(func(fd uintptr) bool) error, move func(fd int) (int, error), nothing error) (n int, err error) {
	waiting := ready(func(fd uintptr) bool {
		n, err = move(int(fd))
		return !errors.Is(err, unix.EAGAIN)
	})
	switch {
	case waiting != nil:
		return 0, waiting
	case err == nil && n == 0:
		return 0, nothing
	}
	return n, err
}

func splice(from, to, most int) (int, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if !errors.Is(err, unix.EINTR) {
			return int(n), err
		}
	}
}
