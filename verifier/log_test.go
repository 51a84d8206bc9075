package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Goal: what is wrong with what is signed is found by its code. Method: checkpoints, earlier checkpoints
// and receipts are made wrong one at a time, over lines that are sound.

// expectSaid wants the first line of what is said about an export to begin in some way.
func expectSaid(t *testing.T, name, want, got string) {
	t.Helper()
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s: want %s, got %s", name, want, strings.SplitN(got, "\n", 2)[0])
	}
}

func TestCheckpointFaults(t *testing.T) {
	lines := vectorLines(t)
	k, other := newTestKey(t, testOrigin, 1), newTestKey(t, testOrigin, 2)
	root := treeOf(lines).root().String()
	good := k.checkpointOf(t, lines)
	text := good[:strings.Index(good, "\n\n")+1]
	signature := good[len(text)+1:]
	broken := strings.Replace(good, "\n77\n", "\n76\n", 1)
	elsewhere := newTestKey(t, "ledger.example.com/ws/acne", 1)
	for name, c := range map[string]struct{ want, checkpoint string }{
		"good":                {"OK 77 entries, root " + root, good},
		"empty":               {"BAD checkpoint: note: ", ""},
		"unsigned":            {"BAD checkpoint: note: ", text},
		"no line feed":        {"BAD checkpoint: note: ", strings.TrimSuffix(good, "\n")},
		"four lines":          {"BAD checkpoint: note: ", k.sign(t, text+"more\n")},
		"two lines":           {"BAD checkpoint: note: ", k.sign(t, testOrigin+"\n77\n")},
		"leading zero":        {"BAD checkpoint: note: ", k.sign(t, testOrigin+"\n077\n"+root+"\n")},
		"loose base64":        {"BAD checkpoint: note: ", k.sign(t, testOrigin+"\n77\n"+root[:42]+"d=\n")},
		"origin of another":   {"BAD checkpoint: note: ", elsewhere.sign(t, "ledger.example.com/ws/acne\n77\n"+root+"\n")},
		"no origin":           {"BAD checkpoint: note: ", k.sign(t, "acme\n77\n"+root+"\n")},
		"by another key":      {"BAD checkpoint: unknown-key: ", other.checkpointOf(t, lines)},
		"by a key elsewhere":  {"BAD checkpoint: unknown-key: ", elsewhere.sign(t, text)},
		"changed":             {"BAD checkpoint: signature: ", broken},
		"second line wrong":   {"BAD checkpoint: signature: ", good + signatureOf(k.sign(t, testOrigin+"\n76\n"+root+"\n"))},
		"unknown line beside": {"OK 77 entries", good + signatureOf(other.sign(t, text))},
		"unknown line before": {"OK 77 entries", text + "\n" + signatureOf(other.sign(t, text)) + signature},
		"another root": {"BAD checkpoint: rewritten: ",
			k.sign(t, testOrigin+"\n77\n"+treeOf(lines[:76]).root().String()+"\n")},
	} {
		dir := export(t, lines, c.checkpoint, map[string]string{"vkey": elsewhere.vkey + "\n" + k.vkey + "\n"})
		expectSaid(t, name, c.want, told(t, dir))
		expectSaid(t, name+" with --vkey", c.want, told(t, dir, "--vkey", k.vkey, "--vkey", k.vkey, "--vkey", elsewhere.vkey))
	}
}

func signatureOf(signed string) string { return signed[strings.Index(signed, "\n\n")+2:] }

func TestCheckpointSince(t *testing.T) {
	lines := vectorLines(t)
	k := newTestKey(t, testOrigin, 1)
	forked := rewrite(t, lines, 44, replace(`"reason":"credit note`, `"reason":"Credit note`))
	dir := export(t, lines, k.checkpointOf(t, lines), nil)
	shorter := export(t, lines[:60], k.checkpointOf(t, lines[:60]), nil)
	since := func(name, signed string) string {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, signed)
		return path
	}
	all := since("all", k.checkpointOf(t, lines))
	for m := 0; m <= len(lines); m += 11 {
		expectSaid(t, fmt.Sprint(m), "OK 77", told(t, dir, "--vkey", k.vkey, "--since", since("m", k.checkpointOf(t, lines[:m])), "--since", all))
		want := "OK 77"
		if m >= 44 {
			want = "BAD checkpoint: forked: "
		}
		expectSaid(t, fmt.Sprint(m), want, told(t, dir, "--vkey", k.vkey, "--since", all, "--since", since("f", k.checkpointOf(t, forked[:m]))))
	}
	expectSaid(t, "cut back", "BAD checkpoint: cut-back: ", told(t, shorter, "--vkey", k.vkey, "--since", all))
	elsewhere := newTestKey(t, "localhost/ws/acme", 1)
	expectSaid(t, "of another origin", "BAD checkpoint: note: ", told(t, dir, "--vkey", k.vkey, "--vkey", elsewhere.vkey,
		"--since", since("o", elsewhere.sign(t, "localhost/ws/acme\n0\n"+treeOf(nil).root().String()+"\n"))))
	expectSaid(t, "by another key", "BAD checkpoint: unknown-key: ", told(t, dir, "--vkey", k.vkey,
		"--since", since("k", newTestKey(t, testOrigin, 2).checkpointOf(t, lines[:5]))))
}

func TestReceiptFaults(t *testing.T) {
	good := readVector(t, "log/receipt.tlog-proof")
	vkeys := strings.Fields(readVector(t, "log/vkey"))
	lines := strings.Split(good, "\n")
	k := newTestKey(t, testOrigin, 1)
	other := newTestKey(t, "ledger.example.com/ws/acne", 1)
	body := good[:strings.Index(good, "\n\n")+2]
	root := treeOf(vectorLines(t)).root().String()
	for name, c := range map[string]struct{ want, content string }{
		"good":             {"OK 77", good},
		"by my key":        {"OK 77", body + k.checkpointOf(t, vectorLines(t))},
		"other index":      {"BAD checkpoint: proof: ", strings.Replace(good, "index 6", "index 5", 1)},
		"index too large":  {"BAD checkpoint: proof: ", strings.Replace(good, "index 6", "index 77", 1)},
		"no index":         {"BAD checkpoint: proof: ", strings.Replace(good, "index 6\n", "", 1)},
		"other version":    {"BAD checkpoint: proof: ", strings.Replace(good, "@v1", "@v2", 1)},
		"path swapped":     {"BAD checkpoint: proof: ", strings.Replace(good, lines[3]+"\n"+lines[4], lines[4]+"\n"+lines[3], 1)},
		"path too short":   {"BAD checkpoint: proof: ", strings.Replace(good, lines[3]+"\n", "", 1)},
		"line changed":     {"BAD checkpoint: proof: ", strings.Replace(good, "extra eyJh", "extra eyJi", 1)},
		"loose base64":     {"BAD checkpoint: proof: ", strings.Replace(good, lines[1], lines[1]+"=", 1)},
		"checkpoint of 76": {"BAD checkpoint: signature: ", strings.Replace(good, "\n77\n", "\n76\n", 1)},
		"unknown key":      {"BAD checkpoint: unknown-key: ", body + newTestKey(t, testOrigin, 2).checkpointOf(t, vectorLines(t))},
		"other workspace":  {"BAD checkpoint: note: ", body + other.sign(t, "ledger.example.com/ws/acne\n77\n"+root+"\n")},
		"other root": {"BAD checkpoint: proof: ",
			body + k.sign(t, testOrigin+"\n77\n"+treeOf(vectorLines(t)[:76]).root().String()+"\n")},
	} {
		path := filepath.Join(t.TempDir(), "a.tlog-proof")
		write(t, path, c.content)
		expectSaid(t, name, c.want, told(t, path, "--vkey", vkeys[1], "--vkey", k.vkey, "--vkey", other.vkey))
	}
}

func TestUsageExits(t *testing.T) {
	var out strings.Builder
	for _, args := range [][]string{{}, {"a", "b"}, {"--no-such-flag", "a"}, {"/nowhere"}, {"--vkey", "nonsense", t.TempDir()}} {
		if code := run(args, &out, &out); code != 2 {
			t.Errorf("%v exits with %d", args, code)
		}
	}
	dir := export(t, vectorLines(t), readVector(t, "log/checkpoint"), map[string]string{"vkey": readVector(t, "log/vkey")})
	out.Reset()
	if code := run([]string{dir, "--json"}, &out, &out); code != 0 || !strings.HasPrefix(out.String(), `{"ok":true,"entries":"77","root":"`) {
		t.Errorf("exits with %d: %s", code, out.String())
	}
	write(t, dir+"/vkey", newTestKey(t, testOrigin, 1).vkey+"\n")
	out.Reset()
	if code := run([]string{"--json", dir}, &out, &out); code != 1 ||
		!strings.HasPrefix(out.String(), `{"ok":false,"bad":"checkpoint","code":"unknown-key","what":"`) {
		t.Errorf("exits with %d: %s", code, out.String())
	}
}
