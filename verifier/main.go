// Command tarmac-verifier checks exports and receipt proofs of Tarmac's ledgers. It is written from the
// page The ledger's format alone and shares no code with what wrote them.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const usageText = `usage: tarmac-verifier [--vkey KEY]... [--since CHECKPOINT]... [--json] DIR
       tarmac-verifier [--vkey KEY]... [--json] FILE.tlog-proof

Checks an export of a ledger, or a receipt proof. With --vkey only those keys count; without, those in
the file vkey beside what is checked. --since names a checkpoint from earlier. Exits with 0 if all is
well, 1 if something is wrong, 2 if it could not be checked.
`

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

func (t *texts) Set(s string) error {
	*t = append(*t, s)
	return nil
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, complaints io.Writer) int {
	q := &request{}
	var asJSON bool
	flags := flag.NewFlagSet("tarmac-verifier", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var((*texts)(&q.vkeys), "vkey", "")
	flags.Var((*texts)(&q.since), "since", "")
	flags.BoolVar(&asJSON, "json", false, "")
	var paths []string
	for rest := args; ; {
		if err := flags.Parse(rest); err != nil {
			fmt.Fprintf(complaints, "tarmac-verifier: %v\n%s", err, usageText)
			return 2
		}
		if rest = flags.Args(); len(rest) == 0 {
			break
		}
		paths, rest = append(paths, rest[0]), rest[1:]
	}
	if len(paths) != 1 {
		fmt.Fprint(complaints, usageText)
		return 2
	}
	q.path, q.progress = paths[0], progress(complaints)
	verify := verifyExport
	if info, err := os.Stat(q.path); err == nil && !info.IsDir() {
		if verify = verifyReceipt; len(q.since) > 0 {
			fmt.Fprintf(complaints, "tarmac-verifier: --since goes with an export, not with a proof\n%s", usageText)
			return 2
		}
	}
	r, err := verify(q)
	if err != nil {
		fmt.Fprintf(complaints, "tarmac-verifier: %v\n", err)
		return 2
	}
	if asJSON {
		r.printJSON(out)
	} else {
		r.print(out)
	}
	if r.fault != nil {
		return 1
	}
	return 0
}

// progress gives a function that says once a second how far it is.
func progress(to io.Writer) func(int64) {
	began := time.Now()
	said := began
	return func(entries int64) {
		if now := time.Now(); now.Sub(said) >= time.Second {
			said = now
			fmt.Fprintf(to, "%d entries, %.0f a second\n", entries, float64(entries)/now.Sub(began).Seconds())
		}
	}
}

func (r *result) print(to io.Writer) {
	if r.fault != nil {
		fmt.Fprintln(to, r.fault.Error())
	} else {
		fmt.Fprintf(to, "OK %d entries, root %s\n", r.entries, r.root)
		if r.proved != "" {
			fmt.Fprintln(to, r.proved)
		}
	}
	for _, what := range r.notChecked {
		fmt.Fprintf(to, "not checked: %s\n", what)
	}
}

// printJSON writes the same as one JSON object on a line.
func (r *result) printJSON(to io.Writer) {
	type report struct {
		OK         bool     `json:"ok"`
		Entries    string   `json:"entries,omitempty"`
		Root       string   `json:"root,omitempty"`
		Bad        string   `json:"bad,omitempty"`
		Seq        string   `json:"seq,omitempty"`
		Code       string   `json:"code,omitempty"`
		What       string   `json:"what,omitempty"`
		Proved     string   `json:"proved,omitempty"`
		NotChecked []string `json:"not_checked"`
	}
	said := report{OK: r.fault == nil, Proved: r.proved, NotChecked: r.notChecked}
	switch f := r.fault; {
	case f == nil:
		said.Entries, said.Root = strconv.FormatInt(r.entries, 10), r.root.String()
	case f.checkpoint:
		said.Bad, said.Code, said.What = "checkpoint", f.code, f.what
	default:
		said.Bad, said.Seq, said.Code, said.What = "entry", strconv.FormatInt(f.seq, 10), f.code, f.what
	}
	if said.NotChecked == nil {
		said.NotChecked = []string{}
	}
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	encoder.Encode(said)
}
