package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestJudge runs testdata/judge. Its commands begin with a healthy machine,
// lay the facts of their input over it, and print
//
//	words    the whole report for a person
//	json     the whole report
//	changes  the checks that come out differently, and what they come to
//
// The argument "quick" leaves the measurements out, and "bare" begins with a
// Linux that nothing was tried on.
func TestJudge(t *testing.T) {
	datadriven.Walk(t, "testdata/judge", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			f := healthy()
			if d.HasArg("bare") {
				f = &Facts{System: f.System}
			}
			f.Quick = d.HasArg("quick")
			before := Judge(f)
			if d.Input != "" {
				dec := json.NewDecoder(strings.NewReader(d.Input))
				dec.DisallowUnknownFields()
				if err := dec.Decode(f); err != nil {
					d.Fatalf(t, "facts: %v", err)
				}
			}
			r := Judge(f)
			switch d.Cmd {
			case "words":
				return words(t, r)
			case "json":
				b, err := json.MarshalIndent(r, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			case "changes":
				return changes(before, r)
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func words(t *testing.T, r *Report) string {
	var b strings.Builder
	if err := r.Words(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// changes lists the checks of r that before does not have like that.
func changes(before, r *Report) string {
	var b strings.Builder
	for _, c := range r.Checks {
		if slices.ContainsFunc(before.Checks, func(o Check) bool {
			return o.ID == c.ID && o.State == c.State && o.Finding == c.Finding && o.Fix == c.Fix
		}) {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s\n", c.State, c.ID, c.Finding)
		if c.Fix != "" {
			fmt.Fprintf(&b, "  -> %s\n", c.Fix)
		}
	}
	if lacking := r.Lacking(); len(lacking) > 0 {
		fmt.Fprintf(&b, "lacking: %s\n", strings.Join(lacking, ", "))
	}
	if r.Can != before.Can {
		fmt.Fprintf(&b, "can: %+v\n", r.Can)
	}
	return b.String()
}

// healthy is a machine on which all works, for a user without rights.
func healthy() *Facts {
	works := Tried[struct{}]{Done: true}
	return &Facts{
		System: System{OS: "linux", Arch: "amd64", Kernel: "6.18.44", CPUs: 4, Governor: "performance", UID: 1000, ClockSource: "tsc"},
		Sysctl: Sysctls{MaxUserNS: "96365", MaxNetNS: "96365", RmemMax: "8388608"},
		UserNS: works, Veth: works, Shaper: works, Bind: works, Lab: works, Counters: works, Host: works, TUN: works,
		NetNS:    Tried[NetNS]{Done: true, Found: NetNS{UserNS: true}},
		Rule:     Tried[Rule]{Done: true, Found: Rule{Native: true, Owned: true}},
		GSO:      Tried[GSO]{Done: true, Found: GSO{Largest: 64000}},
		CapLen:   Tried[CapLen]{Done: true, Found: CapLen{Sent: 1028, Copied: 64, Told: 1028}},
		CE:       Tried[CE]{Done: true, Found: CE{ECN: 3}},
		RcvBuf:   Tried[RcvBuf]{Done: true, Found: RcvBuf{Asked: 8 << 20, Granted: 16 << 20, Sent: 8192, Held: 8192}},
		Clock:    Tried[Clock]{Done: true, Found: Clock{ReadNs: 24}},
		Verdicts: Tried[Verdicts]{Done: true, Found: Verdicts{Held: 4096, OldestNs: 600, NewestNs: 610}},
		Rate:     Tried[Rate]{Done: true, Found: Rate{Bytes: 1428, Plain: 360000, Queued: 200000}},
		Timers: Tried[[]Timer]{Done: true, Found: []Timer{
			{"sleep", 200, 52_000, 90_000, 120_000}, {"hybrid", 200, 100, 4_000, 60_000}, {"spin", 200, 60, 200, 9_000}}},
	}
}

// TestGroups finds a check whose group no heading shows, one that has two ids,
// and a needed one outside the heading that says so.
func TestGroups(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Judge(healthy()).Checks {
		if !slices.ContainsFunc(headings(), func(h heading) bool { return h.group == c.Group }) {
			t.Errorf("%s: no heading for group %q", c.ID, c.Group)
		}
		if seen[c.ID] {
			t.Errorf("%s: twice", c.ID)
		}
		seen[c.ID] = true
		if c.Needed && c.Group != Lab {
			t.Errorf("%s: needed, but in group %s", c.ID, c.Group)
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d checks", len(seen))
	}
}

// TestOneLine makes sure that nothing breaks the layout, whatever failed.
func TestOneLine(t *testing.T) {
	f := healthy()
	for _, kind := range []Kind{Denied, Full, Absent, TimedOut, OtherFailed} {
		bad := Tried[struct{}]{Done: true, Fault: &Fault{kind, "one thing"}}
		f.UserNS, f.Veth, f.Shaper, f.Bind, f.Lab, f.Counters, f.Host, f.TUN = bad, bad, bad, bad, bad, bad, bad, bad
		f.NetNS.Fault, f.Rule.Fault, f.Rate.Fault = bad.Fault, bad.Fault, bad.Fault
		r := Judge(f)
		for _, c := range r.Checks {
			if c.Finding == "" || strings.ContainsAny(c.Finding+c.Fix, "\n\t") {
				t.Errorf("%s, %s: finding %q, fix %q", kind, c.ID, c.Finding, c.Fix)
			}
			if c.State == Missing && c.Fix == "" && kind == Denied && c.ID != "network_namespaces" {
				t.Errorf("%s, %s is missing and nothing says what to do", kind, c.ID)
			}
		}
		if r.Can.Lab || r.Can.Host || len(r.Lacking()) == 0 {
			t.Errorf("%s: can %+v, lacking %q", kind, r.Can, r.Lacking())
		}
	}
}

func TestTraps(t *testing.T) {
	for release, want := range map[string]string{
		"3.10.0":                         "",
		"6.10.14":                        "",
		"6.11.0-26-generic":              "CVE-2026-45859",
		"6.12.74":                        "CVE-2026-45859",
		"6.12.75+deb13-amd64":            "CVE-2026-43084",
		"6.12.83":                        "",
		"6.13-rc2":                       "CVE-2026-45859",
		"6.17.0-41-generic":              "CVE-2026-45859",
		"6.18.13":                        "CVE-2026-45859",
		"6.18.14":                        "CVE-2026-43084",
		"6.18.23":                        "CVE-2026-43084",
		"6.18.24":                        "",
		"6.18.44-fc-v669":                "",
		"6.19.0":                         "CVE-2026-45859",
		"6.19.13":                        "CVE-2026-43084",
		"6.19.14":                        "",
		"7.0.0-22-generic":               "UDP GSO corruption",
		"7.1.4":                          "UDP GSO corruption",
		"7.1.5":                          "",
		"5.15.167.4-microsoft-standard.": "",
	} {
		v, ok := parseVersion(release)
		if !ok {
			t.Errorf("%s: not read", release)
		}
		var got []string
		for _, trap := range traps() {
			if fixed, has := trap.in(v); has {
				got = append(got, trap.name)
				if !v.before(fixed) {
					t.Errorf("%s: %s is fixed in %s", release, trap.name, fixed)
				}
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", release, s, want)
		}
	}
	for _, release := range []string{"", "x", "6", "6.", ".6", "six.eleven", "99999999999999999999.1"} {
		if v, ok := parseVersion(release); ok {
			t.Errorf("%q: read as %s", release, v)
		}
	}
}
