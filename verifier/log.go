package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A checkpoint says how many entries a log has and what the root over them is.
type checkpoint struct {
	origin    string
	workspace string
	size      int64
	root      tlog.Hash
}

// keys are the verifier keys that count.
type keys []note.Verifier

// readKeys makes keys of their texts, each once.
func readKeys(texts []string) (keys, error) {
	var known keys
	seen := map[string]bool{}
	for _, s := range texts {
		if seen[s] {
			continue
		}
		seen[s] = true
		v, err := note.NewVerifier(s)
		if err != nil {
			return nil, fmt.Errorf("the key %q is not a verifier key: %v", s, err)
		}
		known = append(known, v)
	}
	return known, nil
}

// keyLines reads a file of keys, one a line.
func keyLines(path string) ([]string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, s := range strings.Split(string(content), "\n") {
		if s != "" {
			found = append(found, s)
		}
	}
	return found, nil
}

// open reads a checkpoint and checks its signatures. what names it in faults.
func (k keys) open(signed []byte, what string) (*checkpoint, *fault) {
	n, err := note.Open(signed, note.VerifierList(k...))
	var unknown *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	badSignature := errors.As(err, &invalid)
	switch {
	case errors.As(err, &unknown):
		n = unknown.Note
	case err != nil && !badSignature:
		return nil, checkpointFault("note", "%s is not a signed note: %v", what, err)
	}
	text := string(signed[:strings.LastIndex(string(signed), "\n\n")+1])
	c, problem := readCheckpoint(text)
	if problem == "" {
		problem = signatureForm(signed)
	}
	if problem != "" {
		return nil, checkpointFault("note", "%s: %s", what, problem)
	}
	if badSignature {
		return nil, checkpointFault("signature", "%s: the signature by %s+%08x is wrong", what, invalid.Name, invalid.Hash)
	}
	return c, k.vouch(n, c, signed, what)
}

// vouch checks that a known key of the log's own name signed, and that every line of a known key is right.
func (k keys) vouch(n *note.Note, c *checkpoint, signed []byte, what string) *fault {
	own := false
	for _, s := range n.Sigs {
		own = own || s.Name == c.origin
	}
	if !own {
		return checkpointFault("unknown-key", "%s: no signature is by a known key of %s", what, c.origin)
	}
	// note.Open passes over further lines of a key that it has seen; here they count too.
	for _, l := range signatureLines(signed) {
		name, sig := l.name, l.bytes
		for _, v := range k {
			id := uint32(sig[0])<<24 | uint32(sig[1])<<16 | uint32(sig[2])<<8 | uint32(sig[3])
			if v.Name() == name && v.KeyHash() == id && !v.Verify([]byte(n.Text), sig[4:]) {
				return checkpointFault("signature", "%s: a signature by %s+%08x is wrong", what, name, id)
			}
		}
	}
	return nil
}

type signatureLine struct {
	name  string
	bytes []byte
	text  string
}

// signatureLines splits the lines behind the text of a note that note.Open has found well formed.
func signatureLines(signed []byte) []signatureLine {
	block := string(signed[strings.LastIndex(string(signed), "\n\n")+2:])
	var lines []signatureLine
	for _, s := range strings.Split(strings.TrimSuffix(block, "\n"), "\n") {
		s = strings.TrimPrefix(s, "— ")
		space := strings.IndexByte(s, ' ')
		if space < 0 {
			continue
		}
		bytes, _ := base64.StdEncoding.DecodeString(s[space+1:])
		lines = append(lines, signatureLine{s[:space], bytes, s[space+1:]})
	}
	return lines
}

// signatureForm refuses base64 that could be written in another way.
func signatureForm(signed []byte) string {
	for _, l := range signatureLines(signed) {
		if len(l.bytes) < 5 || base64.StdEncoding.EncodeToString(l.bytes) != l.text {
			return "the base64 of a signature is not in its canonical form"
		}
	}
	return ""
}

// readCheckpoint reads the three lines of a checkpoint's text, and tells what is wrong with them.
func readCheckpoint(text string) (*checkpoint, string) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return nil, "its text is not three lines"
	}
	parts := strings.Split(lines[0], "/ws/")
	if len(parts) != 2 || parts[0] == "" || !isName(parts[1]) {
		return nil, fmt.Sprintf("its origin %q is not <host>/ws/<workspace>", lines[0])
	}
	if !isDecimal(lines[1], false) || !fitsInt64(lines[1]) {
		return nil, fmt.Sprintf("its size %q is not a decimal number", lines[1])
	}
	root, ok := readHash(lines[2])
	if !ok {
		return nil, "its root is not the base64 of a SHA-256"
	}
	return &checkpoint{lines[0], parts[1], number(lines[1]), root}, ""
}

// readHash reads the canonical base64 of 32 bytes.
func readHash(s string) (tlog.Hash, bool) {
	h, err := tlog.ParseHash(s)
	return h, err == nil && h.String() == s
}
