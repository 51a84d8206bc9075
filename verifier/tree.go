package main

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// A subtree is a complete one of 2^n leaves.
type subtree struct {
	leaves int64
	root   tlog.Hash
}

// A tree keeps only the complete subtrees of the leaves so far, from left to right.
type tree struct {
	size  int64
	stack []subtree
}

func (t *tree) add(leaf tlog.Hash) { t.push(subtree{1, leaf}) }

// push puts a subtree on top and joins what has the same number of leaves.
func (t *tree) push(s subtree) {
	t.size += s.leaves
	for len(t.stack) > 0 && t.stack[len(t.stack)-1].leaves == s.leaves {
		left := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		s = subtree{left.leaves * 2, tlog.NodeHash(left.root, s.root)}
	}
	t.stack = append(t.stack, s)
}

// root joins what there is from the right to the left. Of no leaves it is the SHA-256 of nothing.
func (t *tree) root() tlog.Hash {
	if len(t.stack) == 0 {
		return tlog.Hash(sha256.Sum256(nil))
	}
	root := t.stack[len(t.stack)-1].root
	for i := len(t.stack) - 2; i >= 0; i-- {
		root = tlog.NodeHash(t.stack[i].root, root)
	}
	return root
}

// stretches gives the sizes of the complete subtrees that the leaves from first to before end divide in.
func stretches(first, end int64) []int64 {
	var sizes []int64
	for p := first; p < end; {
		size := int64(1)
		for p%(size*2) == 0 && size*2 <= end-p {
			size *= 2
		}
		sizes = append(sizes, size)
		p += size
	}
	return sizes
}
