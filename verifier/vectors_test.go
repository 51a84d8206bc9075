package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// Goal: the published vectors hold as the page says. Method: every file of them is verified, and the
// proofs that a whole ledger does not need are run too.

func readVector(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestVectorsHashes(t *testing.T) {
	listed := strings.Split(strings.TrimSpace(readVector(t, "hashes.txt")), "\n")
	lines := vectorLines(t)
	for i, raw := range lines {
		l := readLine(raw)
		if l.wrong != nil {
			t.Errorf("entry %d: %v", i+1, l.wrong)
		}
		if got := strings.Fields(listed[i])[1]; got != l.hash {
			t.Errorf("entry %d has the hash %s, listed is %s", i+1, l.hash, got)
		}
	}
	if root := "root " + treeOf(lines).root().String(); listed[len(lines)] != root {
		t.Errorf("%s, listed is %s", root, listed[len(lines)])
	}
	block := readVector(t, "block.jsonl")
	if got := "block " + readLine(block).hash; listed[len(lines)+1] != got {
		t.Errorf("%s, listed is %s", got, listed[len(lines)+1])
	}
}

func TestVectorsLedger(t *testing.T) {
	dir := export(t, vectorLines(t), readVector(t, "log/checkpoint"), map[string]string{"vkey": readVector(t, "log/vkey")})
	said := told(t, dir, "--since", filepath.Join(vectors, "log/checkpoint-earlier"))
	if !strings.HasPrefix(said, "OK 77 entries, root ") || !strings.Contains(said, "not checked: who the keys are") {
		t.Error(said)
	}
	for _, key := range strings.Fields(readVector(t, "log/vkey")) {
		if said := told(t, dir, "--vkey", key); !strings.HasPrefix(said, "OK 77") || strings.Contains(said, "who the keys are") {
			t.Error(said)
		}
	}
}

func TestVectorsReceipt(t *testing.T) {
	key := strings.Fields(readVector(t, "log/vkey"))[0]
	if said := told(t, filepath.Join(vectors, "log/receipt.tlog-proof"), "--vkey", key); !strings.HasPrefix(said, "OK 77 entries") ||
		!strings.Contains(said, "entry 7 of acme") {
		t.Error(said)
	}
}

func TestVectorsConsistency(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(readVector(t, "log/consistency")), "\n")
	var proof tlog.TreeProof
	for _, s := range lines[1:] {
		h, ok := readHash(s)
		if !ok {
			t.Fatalf("%s is not a hash", s)
		}
		proof = append(proof, h)
	}
	all := vectorLines(t)
	if err := tlog.CheckTree(proof, 77, treeOf(all).root(), 45, treeOf(all[:45]).root()); err != nil {
		t.Error(err)
	}
}

func TestVectorsRangeProof(t *testing.T) {
	p, err := readRangeProof(readVector(t, "log/range-proof"))
	if err != nil {
		t.Fatal(err)
	}
	lines := vectorLines(t)
	joined := &tree{}
	for i, size := range stretches(0, p.first) {
		joined.push(subtree{size, p.left[i]})
	}
	for _, raw := range lines[p.first:p.end] {
		joined.add(readLine(raw).leaf)
	}
	for i, size := range stretches(p.end, p.size) {
		joined.push(subtree{size, p.right[i]})
	}
	if joined.root() != treeOf(lines).root() || joined.size != 77 {
		t.Error("the range proof does not lead to the root")
	}
}
