package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// The tests work on the published vectors and on changes made to them. A log key of their own signs
// what they change, so that a fault of the lines is found and not one of the signature.

const vectors = "../docs/vectors"

const testOrigin = "ledger.example.com/ws/acme"

// vectorLines gives the lines of the published ledger.
func vectorLines(t testing.TB) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(vectors, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

// A testKey signs checkpoints.
type testKey struct {
	signer note.Signer
	vkey   string
}

func newTestKey(t testing.TB, name string, seed byte) testKey {
	t.Helper()
	secret, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return testKey{signer, vkey}
}

// sign makes a checkpoint with that text.
func (k testKey) sign(t testing.TB, text string) string {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, k.signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// checkpointOf signs the root over lines.
func (k testKey) checkpointOf(t testing.TB, lines []string) string {
	t.Helper()
	return k.sign(t, fmt.Sprintf("%s\n%d\n%s\n", testOrigin, len(lines), treeOf(lines).root()))
}

func treeOf(lines []string) *tree {
	all := &tree{}
	for _, l := range lines {
		all.add(readLine(l).leaf)
	}
	return all
}

// export writes an export and gives its directory. Files are further ones by their names.
func export(t testing.TB, lines []string, checkpoint string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	content := strings.Join(lines, "\n")
	if len(lines) > 0 {
		content += "\n"
	}
	write(t, filepath.Join(dir, "ledger.jsonl"), content)
	write(t, filepath.Join(dir, "checkpoint"), checkpoint)
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// told verifies an export with a key and gives the first words of what is said: OK 77 entries, or
// BAD entry 5: changed.
func told(t testing.TB, dir string, args ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	if code := run(append(args, dir), &out, &complaints); code == 2 {
		t.Fatalf("not verified: %s", complaints.String())
	}
	return out.String()
}

// expect wants the verdict on lines whose checkpoint is over the lines of signed.
func expect(t testing.TB, want string, lines, signed []string) {
	t.Helper()
	k := newTestKey(t, testOrigin, 1)
	got := told(t, export(t, lines, k.checkpointOf(t, signed), nil), "--vkey", k.vkey)
	if !strings.HasPrefix(got, want) {
		t.Errorf("want %s, got %s", want, got)
	}
}

// rewrite changes one line and all that follows from it by hash: prev, opened and corrects of later
// lines. The result is a chain again, as one who holds the whole ledger could make it.
func rewrite(t testing.TB, lines []string, seq int, change func(line string) string) []string {
	t.Helper()
	changed := append([]string(nil), lines...)
	renamed := []string{}
	for i := seq - 1; i < len(changed); i++ {
		was := readLine(changed[i]).hash
		if i == seq-1 {
			changed[i] = change(changed[i])
			if changed[i] == lines[i] {
				t.Fatalf("the change does nothing to entry %d", seq)
			}
		} else {
			changed[i] = strings.NewReplacer(renamed...).Replace(changed[i])
		}
		renamed = append(renamed, was, readLine(changed[i]).hash)
	}
	return changed
}

// replace gives a change that puts one text in place of all of another.
func replace(old, new string) func(string) string {
	return func(line string) string { return strings.ReplaceAll(line, old, new) }
}
