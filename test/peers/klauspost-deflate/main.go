// Command klauspost-deflate writes deflate streams with klauspost/compress and klauspost/pgzip, for tests that compare them
// with Tare's.
//
//	klauspost-deflate CORPUS < JOBS > STREAMS   one stream for each job, its length (uint32, little endian) before it
//	klauspost-deflate bench FILE LEVEL          bytes per second, best of the rounds that fit in two seconds
//
// A job is a line of JSON: {"start": 0, "level": 5, "dictionary": 0, "block": 0, "writes": [100, 20], "flushes": [1]} encodes
// the 120 bytes of CORPUS from byte 0 on in two writes, with a Flush after write number 1. The dictionary is so many bytes
// before them. With a block size it is pgzip that encodes, and the stream comes without gzip's header and trailer.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/pgzip"
)

type job struct {
	Start      int   `json:"start"`
	Level      int   `json:"level"`
	Dictionary int   `json:"dictionary"`
	Block      int   `json:"block"`
	Writes     []int `json:"writes"`
	Flushes    []int `json:"flushes"`
}

type encoder interface {
	io.WriteCloser
	Flush() error
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1:
		return encodeAll(args[0], os.Stdin, os.Stdout)
	case len(args) == 3 && args[0] == "bench":
		return bench(args[1], args[2])
	}
	return errors.New("usage: klauspost-deflate CORPUS | klauspost-deflate bench FILE LEVEL")
}

func encodeAll(path string, jobs io.Reader, streams io.Writer) error {
	corpus, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(streams)
	decoder := json.NewDecoder(jobs)
	for {
		var next job
		if err := decoder.Decode(&next); errors.Is(err, io.EOF) {
			return out.Flush()
		} else if err != nil {
			return err
		}
		stream, err := encode(corpus, next)
		if err != nil {
			return fmt.Errorf("%+v: %w", next, err)
		}
		if err := binary.Write(out, binary.LittleEndian, uint32(len(stream))); err != nil {
			return err
		}
		if _, err := out.Write(stream); err != nil {
			return err
		}
	}
}

func encode(corpus []byte, next job) ([]byte, error) {
	var stream bytes.Buffer
	writer, err := newEncoder(&stream, corpus, next)
	if err != nil {
		return nil, err
	}
	at := next.Start
	for index, size := range next.Writes {
		if _, err := writer.Write(corpus[at : at+size]); err != nil {
			return nil, err
		}
		at += size
		if slices.Contains(next.Flushes, index) {
			if err := writer.Flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	if next.Block == 0 {
		return stream.Bytes(), nil
	}
	return stream.Bytes()[10 : stream.Len()-8], nil
}

func newEncoder(stream io.Writer, corpus []byte, next job) (encoder, error) {
	if next.Block == 0 {
		if next.Dictionary == 0 {
			return flate.NewWriter(stream, next.Level)
		}
		return flate.NewWriterDict(stream, next.Level, corpus[next.Start-next.Dictionary:next.Start])
	}
	writer, err := pgzip.NewWriterLevel(stream, next.Level)
	if err != nil {
		return nil, err
	}
	return writer, writer.SetConcurrency(next.Block, 2)
}

func bench(path, levelText string) error {
	input, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	level, err := strconv.Atoi(levelText)
	if err != nil {
		return err
	}
	writer, err := flate.NewWriter(io.Discard, level)
	if err != nil {
		return err
	}
	best := time.Hour
	for start := time.Now(); time.Since(start) < 2*time.Second; {
		round := time.Now()
		writer.Reset(io.Discard)
		if _, err := io.Copy(writer, bytes.NewReader(input)); err != nil {
			return err
		}
		if err := writer.Close(); err != nil {
			return err
		}
		best = min(best, time.Since(round))
	}
	fmt.Printf("%.0f\n", float64(len(input))/best.Seconds())
	return nil
}
