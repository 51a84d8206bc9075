package main

import (
	"fmt"
	"strconv"
	"unicode/utf16"
)

// A check tells what is wrong with a value of some type of the page, or nil.
type check func(n *node) error

func want(what string) error { return fmt.Errorf("must be %s", what) }

// isDecimal tells whether s is a whole number without leading zeros, plus or minus zero.
func isDecimal(s string, mayBeNegative bool) bool {
	if mayBeNegative && len(s) > 1 && s[0] == '-' && s[1] != '0' {
		s = s[1:]
	}
	if len(s) == 0 || len(s) > 31 || s[0] == '0' && len(s) > 1 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func isHex(s string, digits int) bool {
	if len(s) != digits {
		return false
	}
	for i := 0; i < len(s); i++ {
		if hexDigit(s[i]) < 0 {
			return false
		}
	}
	return true
}

func isName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[0] == '_' {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// isAuthorizationID wants auth_ and a UUID of version 7 and the usual variant, in lower case.
func isAuthorizationID(s string) bool {
	if len(s) != 41 || s[:5] != "auth_" {
		return false
	}
	for i, c := range []byte(s[5:]) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if hexDigit(c) < 0 {
				return false
			}
		}
	}
	return s[19] == '7' && (s[24] == '8' || s[24] == '9' || s[24] == 'a' || s[24] == 'b')
}

func isKeyID(s string) bool { return len(s) == 20 && s[:4] == "key_" && isHex(s[4:], 16) }

func fitsInt64(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

func textOf(what string, ok func(s string) bool) check {
	return func(n *node) error {
		if n.kind != textNode || !ok(n.text) {
			return want(what)
		}
		return nil
	}
}

var (
	count        = textOf("a decimal of 0 or more", func(s string) bool { return isDecimal(s, false) })
	positive     = textOf("a decimal above 0", func(s string) bool { return s != "0" && isDecimal(s, false) })
	signed       = textOf("a decimal", func(s string) bool { return isDecimal(s, true) })
	amount       = textOf("an amount of 0 or more", func(s string) bool { return isDecimal(s, false) && fitsInt64(s) })
	signedAmount = textOf("an amount", func(s string) bool { return isDecimal(s, true) && fitsInt64(s) })
	hash         = textOf("a SHA-256 in 64 hexadecimal digits", func(s string) bool { return isHex(s, 64) })
	salt         = textOf("a salt of 32 hexadecimal digits", func(s string) bool { return isHex(s, 32) })
	name         = textOf("a name", isName)
	authID       = textOf("an authorization id", isAuthorizationID)
	keyID        = textOf("a key id", isKeyID)
	logKeyID     = textOf("16 hexadecimal digits", func(s string) bool { return isHex(s, 16) })
	publicKey    = textOf("the base64 of 32 bytes", func(s string) bool { _, ok := readHash(s); return ok })
	text         = textOf("a text", func(s string) bool { return true })
	picoText     = textOf("a fraction n or n/d", func(s string) bool { _, ok := parseFraction(s); return ok })
)

func boolean(n *node) error {
	if n.kind != boolNode {
		return want("true or false")
	}
	return nil
}

func integer(n *node) error {
	if n.kind != numberNode || n.text[0] == '-' {
		return want("a whole number of 0 or more")
	}
	return nil
}

func instant(n *node) error {
	if n.kind == textNode {
		if _, ok := parseInstant(n.text); ok {
			return nil
		}
	}
	return want("an instant such as 2026-11-10T00:00:01.000Z")
}

func oneOf(words ...string) check {
	return func(n *node) error {
		if n.kind == textNode {
			for _, word := range words {
				if n.text == word {
					return nil
				}
			}
		}
		return want(fmt.Sprintf("one of %v", words))
	}
}

func listOf(item check) check {
	return func(n *node) error {
		if n.kind != listNode {
			return want("a list")
		}
		for i := range n.kids {
			if err := item(&n.kids[i]); err != nil {
				return fmt.Errorf("item %d %w", i+1, err)
			}
		}
		return nil
	}
}

// A field of an object: its name, its type, and whether it may be absent.
type field struct {
	name     string
	is       check
	optional bool
}

func must(name string, is check) field { return field{name, is, false} }
func may(name string, is check) field  { return field{name, is, true} }

// object makes the check of an object from its fields, which stand in the order of their names.
func object(fields ...field) check {
	for i := 1; i < len(fields); i++ {
		if fields[i-1].name >= fields[i].name {
			panic("the schema is not in order at " + fields[i].name)
		}
	}
	return func(n *node) error {
		if n.kind != objectNode {
			return want("an object")
		}
		next := 0
		for i := range n.kids {
			kid := &n.kids[i]
			for next < len(fields) && fields[next].name != kid.name {
				if !fields[next].optional {
					return missingOrUnknown(fields, fields[next].name, kid.name)
				}
				next++
			}
			if next == len(fields) {
				return fmt.Errorf("has an unknown field %q", kid.name)
			}
			if err := fields[next].is(kid); err != nil {
				return fmt.Errorf("%s: %w", kid.name, err)
			}
			next++
		}
		for ; next < len(fields); next++ {
			if !fields[next].optional {
				return fmt.Errorf("lacks the field %q", fields[next].name)
			}
		}
		return nil
	}
}

func missingOrUnknown(fields []field, due, found string) error {
	for i := range fields {
		if fields[i].name == found {
			return fmt.Errorf("lacks the field %q", due)
		}
	}
	return fmt.Errorf("has an unknown field %q", found)
}

// attributes are up to 32 labels of the caller's. Their 2 KiB are counted in UTF-16 code units of
// names and values.
func attributes(n *node) error {
	if n.kind != objectNode {
		return want("an object")
	}
	if len(n.kids) > 32 {
		return want("32 labels at most")
	}
	total := 0
	for i := range n.kids {
		label := &n.kids[i]
		if !isAttributeName(label.name) || label.kind != textNode {
			return want("an object of text by names of letters, digits, _ . and -")
		}
		total += len(label.name) + len(utf16.Encode([]rune(label.text)))
	}
	if total > 2048 {
		return want("2 KiB at most")
	}
	return nil
}

func isAttributeName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '_' || c == '.' || c == '-') {
			return false
		}
	}
	return true
}
