// Command go-tar writes and lists archives with Go's archive/tar, for tests that compare it with Tare.
//
//	go-tar write ustar|pax|gnu   an archive of every kind of entry the format can hold, to standard output
//	go-tar list                  the entries of the archive on standard input, one JSON object a line
//	go-tar headers               the headers for the JSON list of fields on standard input, one after the other
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "write":
		return write(args[1], os.Stdout)
	case len(args) == 1 && args[0] == "list":
		return list(os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == "headers":
		return headers(os.Stdin, os.Stdout)
	}
	return fmt.Errorf("usage: go-tar write FORMAT | list | headers")
}

func write(name string, out io.Writer) error {
	format, known := map[string]tar.Format{"ustar": tar.FormatUSTAR, "pax": tar.FormatPAX, "gnu": tar.FormatGNU}[name]
	if !known {
		return fmt.Errorf("unknown format %s", name)
	}
	at := time.Unix(1_700_000_000, 0)
	deep := strings.Repeat("deep/", 25) + "file"
	entries := []tar.Header{
		{Typeflag: tar.TypeDir, Name: "dir/", Mode: 0o755, ModTime: at},
		{Typeflag: tar.TypeReg, Name: "dir/empty", Mode: 0o4711, Uname: "someone", Gname: "some", Uid: 1000, Gid: 1001},
		{Typeflag: tar.TypeReg, Name: "dir/content", Mode: 0o644, ModTime: at, Size: 1000},
		{Typeflag: tar.TypeReg, Name: deep, Mode: 0o644, ModTime: at, Size: 512},
		{Typeflag: tar.TypeLink, Name: "dir/hard", Linkname: "dir/content", Mode: 0o644, ModTime: at},
		{Typeflag: tar.TypeSymlink, Name: "dir/soft", Linkname: "../elsewhere", Mode: 0o777, ModTime: at},
		{Typeflag: tar.TypeChar, Name: "dev/null", Devmajor: 1, Devminor: 3, Mode: 0o666, ModTime: at},
		{Typeflag: tar.TypeBlock, Name: "dev/disk", Devmajor: 8, Devminor: 17, Mode: 0o660, ModTime: at},
		{Typeflag: tar.TypeFifo, Name: "dev/pipe", Mode: 0o600, ModTime: at},
	}
	if format != tar.FormatUSTAR {
		long := strings.Repeat("directory/", 30) + strings.Repeat("n", 150)
		entries = append(entries,
			tar.Header{Typeflag: tar.TypeReg, Name: long, Mode: 0o600, ModTime: at, Size: 3},
			tar.Header{Typeflag: tar.TypeSymlink, Name: long + "-link", Linkname: "../" + long, Mode: 0o777, ModTime: at},
			tar.Header{Typeflag: tar.TypeReg, Name: "größe/鯨", Mode: 0o600, ModTime: at, Size: 1},
			tar.Header{Typeflag: tar.TypeReg, Name: "large-owner", Uid: 3_000_000_000, Gid: 4_000_000_000, ModTime: at},
			tar.Header{Typeflag: tar.TypeReg, Name: "before-1970", ModTime: time.Unix(-1000, 0)},
		)
	}
	if format == tar.FormatPAX {
		entries = append(entries,
			tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "global", PAXRecords: map[string]string{"comment": "for all"}},
			tar.Header{Typeflag: tar.TypeReg, Name: "precise", ModTime: time.Unix(1_700_000_000, 123_456_789)},
			tar.Header{Typeflag: tar.TypeReg, Name: "attributes", ModTime: at, PAXRecords: map[string]string{
				"SCHILY.xattr.user.text": "value", "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20",
			}},
		)
	}
	if format == tar.FormatGNU {
		entries = append(entries, tar.Header{
			Typeflag: tar.TypeReg, Name: "all-times", ModTime: at, AccessTime: at.Add(time.Hour), ChangeTime: at.Add(time.Minute),
		})
	}
	writer := tar.NewWriter(out)
	for _, entry := range entries {
		entry.Format = format
		if err := writer.WriteHeader(&entry); err != nil {
			return fmt.Errorf("%s: %w", entry.Name, err)
		}
		if _, err := writer.Write(bytes.Repeat([]byte("c"), int(entry.Size))); err != nil {
			return fmt.Errorf("%s: %w", entry.Name, err)
		}
	}
	return writer.Close()
}

// listed is an entry as every reader reports it. Names are bytes, as they need not be UTF-8.
type listed struct {
	Path     []byte `json:"pathBytes"`
	LinkPath []byte `json:"linkPathBytes"`
	TypeFlag string `json:"typeFlag"`
	Mode     int64  `json:"mode"`
	UID      int    `json:"uid"`
	GID      int    `json:"gid"`
	Uname    string `json:"uname"`
	Gname    string `json:"gname"`
	Mtime    int64  `json:"mtime"`
	Size     int64  `json:"size"`
	Device   string `json:"device"`
}

func list(in io.Reader, out io.Writer) error {
	reader := tar.NewReader(in)
	encoder := json.NewEncoder(out)
	for {
		entry, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if entry.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := encoder.Encode(listed{
			Path: []byte(entry.Name), LinkPath: []byte(entry.Linkname), TypeFlag: string(rune(entry.Typeflag)),
			Mode: entry.Mode, UID: entry.Uid, GID: entry.Gid, Uname: entry.Uname, Gname: entry.Gname,
			Mtime: entry.ModTime.Unix(), Size: entry.Size, Device: fmt.Sprintf("%d:%d", entry.Devmajor, entry.Devminor),
		}); err != nil {
			return err
		}
	}
}

func headers(in io.Reader, out io.Writer) error {
	var wanted []struct {
		Path, Type, LinkPath   string
		SizeBytes, Mode, Mtime int64
	}
	if err := json.NewDecoder(in).Decode(&wanted); err != nil {
		return err
	}
	types := map[string]byte{"file": tar.TypeReg, "directory": tar.TypeDir, "symlink": tar.TypeSymlink}
	for _, entry := range wanted {
		// A writer of its own for each, so that the contents announced need not follow.
		if err := tar.NewWriter(out).WriteHeader(&tar.Header{
			Name: entry.Path, Typeflag: types[entry.Type], Linkname: entry.LinkPath,
			Size: entry.SizeBytes, Mode: entry.Mode, ModTime: time.Unix(entry.Mtime, 0),
		}); err != nil {
			return fmt.Errorf("%s: %w", entry.Path, err)
		}
	}
	return nil
}
