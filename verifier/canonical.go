package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxLine is the greatest number of bytes of an entry, its line end not counted.
const maxLine = 65535

type nodeKind byte

const (
	textNode nodeKind = iota
	numberNode
	boolNode
	listNode
	objectNode
)

// A node is one JSON value. text holds a decoded string, the digits of a number, or true or false;
// kids the items of a list or the fields of an object, whose names stand in them.
type node struct {
	name string
	text string
	kids []node
	kind nodeKind
}

// get gives the field of that name, or nil where the object has none.
func (n *node) get(name string) *node {
	for i := range n.kids {
		if n.kids[i].name == name {
			return &n.kids[i]
		}
	}
	return nil
}

// str gives the text of a field, and nothing where it is absent.
func (n *node) str(name string) string {
	if field := n.get(name); field != nil {
		return field.text
	}
	return ""
}

func (n *node) has(name string) bool { return n.get(name) != nil }

// yes tells whether a field of type bool is there and true.
func (n *node) yes(name string) bool { return n.str(name) == "true" }

// list gives the items of a field, none where it is absent.
func (n *node) list(name string) []node {
	if field := n.get(name); field != nil {
		return field.kids
	}
	return nil
}

// sameNode compares two values, but for the fields of the outermost objects that are named.
func sameNode(a, b *node, except string) bool {
	if a.kind != b.kind || len(a.kids) != len(b.kids) {
		return false
	}
	for i := range a.kids {
		x, y := &a.kids[i], &b.kids[i]
		if x.name != y.name {
			return false
		}
		if except != "" && x.name == except {
			continue
		}
		if !sameNode(x, y, "") {
			return false
		}
	}
	return len(a.kids) > 0 || a.text == b.text
}

// A canonicalParser reads the small part of RFC 8785 that entries use. It accepts exactly the bytes
// that a canonical writer makes, so nothing has to be written again to be compared.
type canonicalParser struct {
	src   string
	pos   int
	stack []node
}

// parseCanonical reads one line, which must be an object in canonical form.
func parseCanonical(src string) (*node, error) {
	if len(src) > maxLine {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(src), maxLine)
	}
	if !utf8.ValidString(src) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	if src == "" || src[0] != '{' {
		return nil, fmt.Errorf("it does not begin with {")
	}
	p := canonicalParser{src: src, stack: make([]node, 0, 64)}
	var n node
	if err := p.value(&n); err != nil {
		return nil, err
	}
	if p.pos != len(src) {
		return nil, p.wrong("something follows the object")
	}
	return &n, nil
}

func (p *canonicalParser) wrong(what string) error {
	return fmt.Errorf("at byte %d: %s", p.pos, what)
}

func (p *canonicalParser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *canonicalParser) take(c byte) bool {
	if p.pos < len(p.src) && p.src[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *canonicalParser) value(n *node) error {
	switch c := p.peek(); {
	case c == '"':
		n.kind = textNode
		return p.text(&n.text)
	case c == '{':
		n.kind = objectNode
		return p.object(n)
	case c == '[':
		n.kind = listNode
		return p.items(n)
	case c == '-' || c >= '0' && c <= '9':
		n.kind = numberNode
		return p.number(&n.text)
	}
	for _, word := range [...]string{"true", "false"} {
		if strings.HasPrefix(p.src[p.pos:], word) {
			p.pos += len(word)
			n.kind, n.text = boolNode, word
			return nil
		}
	}
	if strings.HasPrefix(p.src[p.pos:], "null") {
		return p.wrong("there is no null; a field without a value is left out")
	}
	return p.wrong("no value begins here")
}

// object reads fields, whose names must rise: so they are in order and none stands twice.
func (p *canonicalParser) object(n *node) error {
	p.pos++
	if p.take('}') {
		return nil
	}
	base := len(p.stack)
	last := ""
	for first := true; ; first = false {
		var field node
		if p.peek() != '"' {
			return p.wrong("a field name is due")
		}
		if err := p.text(&field.name); err != nil {
			return err
		}
		for i := 0; i < len(field.name); i++ {
			if field.name[i] >= utf8.RuneSelf {
				return p.wrong("a field name is not ASCII")
			}
		}
		if !first && field.name == last {
			return p.wrong(fmt.Sprintf("the field %q stands twice", field.name))
		}
		if !first && field.name < last {
			return p.wrong(fmt.Sprintf("the field %q stands behind %q", field.name, last))
		}
		last = field.name
		if !p.take(':') {
			return p.wrong("a colon is due")
		}
		if err := p.value(&field); err != nil {
			return err
		}
		p.stack = append(p.stack, field)
		if p.take('}') {
			p.keep(n, base)
			return nil
		}
		if !p.take(',') {
			return p.wrong("a comma or } is due")
		}
	}
}

func (p *canonicalParser) items(n *node) error {
	p.pos++
	if p.take(']') {
		return nil
	}
	base := len(p.stack)
	for {
		var item node
		if err := p.value(&item); err != nil {
			return err
		}
		p.stack = append(p.stack, item)
		if p.take(']') {
			p.keep(n, base)
			return nil
		}
		if !p.take(',') {
			return p.wrong("a comma or ] is due")
		}
	}
}

func (p *canonicalParser) keep(n *node, base int) {
	n.kids = append([]node(nil), p.stack[base:]...)
	p.stack = p.stack[:base]
}

// number reads a whole number without sign of zero, leading zeros, fraction or exponent.
func (p *canonicalParser) number(to *string) error {
	start := p.pos
	negative := p.take('-')
	digits := p.pos
	for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
		p.pos++
	}
	count := p.pos - digits
	switch {
	case count == 0:
		return p.wrong("a digit is due")
	case p.src[digits] == '0' && (count > 1 || negative):
		return p.wrong("a number is not in its shortest form")
	case count > 15:
		return p.wrong("a number is not small")
	}
	if c := p.peek(); c == '.' || c == 'e' || c == 'E' {
		return p.wrong("a number is not whole")
	}
	*to = p.src[start:p.pos]
	return nil
}

// text reads a string. What needs no escape has none, and what needs one has the shortest.
func (p *canonicalParser) text(to *string) error {
	p.pos++
	start := p.pos
	var unescaped []byte
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		switch {
		case c == '"':
			if unescaped == nil {
				*to = p.src[start:p.pos]
			} else {
				*to = string(append(unescaped, p.src[start:p.pos]...))
			}
			p.pos++
			return nil
		case c == '\\':
			unescaped = append(unescaped, p.src[start:p.pos]...)
			char, err := p.escape()
			if err != nil {
				return err
			}
			unescaped = append(unescaped, char)
			start = p.pos
		case c < 0x20:
			return p.wrong("a control character is not escaped")
		default:
			p.pos++
		}
	}
	return p.wrong("a string does not end")
}

const shortEscapes = "\"\"\\\\b\bt\tn\nf\fr\r"

func (p *canonicalParser) escape() (byte, error) {
	rest := p.src[p.pos+1:]
	if rest == "" {
		return 0, p.wrong("a string does not end")
	}
	for i := 0; i < len(shortEscapes); i += 2 {
		if rest[0] == shortEscapes[i] {
			p.pos += 2
			return shortEscapes[i+1], nil
		}
	}
	if len(rest) < 5 || rest[:3] != "u00" {
		return 0, p.wrong("an escape is not needed or not the shortest")
	}
	high, low := hexDigit(rest[3]), hexDigit(rest[4])
	char := byte(high<<4 | low)
	if high < 0 || high > 1 || low < 0 || strings.IndexByte("\b\t\n\f\r", char) >= 0 {
		return 0, p.wrong("an escape is not needed or not the shortest")
	}
	p.pos += 6
	return char, nil
}

// hexDigit gives the value of a hexadecimal digit in lower case, or -1.
func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
