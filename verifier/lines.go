package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// batchSize is how many lines go from reading to checking at once.
const batchSize = 128

// A lineReader reads and hashes lines ahead of those who check them.
type lineReader struct {
	batches chan []*line
	done    chan struct{}
	batch   []*line
	err     error
}

// readLines begins to read a file of lines. close must be called in the end.
func readLines(path string) (*lineReader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &lineReader{batches: make(chan []*line, 4), done: make(chan struct{})}
	go func() {
		defer file.Close()
		defer close(r.batches)
		r.err = r.feed(bufio.NewReaderSize(file, maxLine+2))
	}()
	return r, nil
}

func (r *lineReader) close() { close(r.done) }

func (r *lineReader) feed(from *bufio.Reader) error {
	batch := make([]*line, 0, batchSize)
	send := func() bool {
		select {
		case r.batches <- batch:
			batch = make([]*line, 0, batchSize)
			return true
		case <-r.done:
			return false
		}
	}
	for {
		l, err := nextLine(from)
		if l != nil {
			batch = append(batch, l)
		}
		if (err != nil || len(batch) == batchSize) && !send() {
			return nil
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// nextLine reads one line. One that is too long or has no line feed is none of this format.
func nextLine(from *bufio.Reader) (*line, error) {
	raw, err := from.ReadSlice('\n')
	if err == nil {
		return readLine(string(raw[:len(raw)-1])), nil
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = from.ReadSlice('\n')
		}
		return &line{seq: -1, wrong: fmt.Errorf("it has more than %d bytes", maxLine)}, err
	}
	if err == io.EOF && len(raw) > 0 {
		return &line{seq: -1, wrong: fmt.Errorf("it does not end with a line feed")}, err
	}
	return nil, err
}

// next gives the next line, nil at the end.
func (r *lineReader) next() (*line, error) {
	if len(r.batch) == 0 {
		batch, ok := <-r.batches
		if !ok || len(batch) == 0 {
			return nil, r.err
		}
		r.batch = batch
	}
	l := r.batch[0]
	r.batch = r.batch[1:]
	return l, nil
}
