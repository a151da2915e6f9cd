package wifi

import (
	"strings"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

// made is the link of a line.
func made(t *testing.T, line string) link.Link {
	t.Helper()
	l, err := fromWords(line, link.Env{Seed: 1, ReadFile: readFile})
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return l
}

// TestPrints checks lines as they are printed, and that what is printed makes the
// same.
func TestPrints(t *testing.T) {
	for line, want := range map[string]string{
		"wifi ht20 5ghz sta 10.0.0.2 mcs15 sgi sta 10.0.0.3 mcs0":                           "wifi ht20 5ghz sta 10.0.0.2 mcs15 sgi sta 10.0.0.3 mcs0",
		"wifi sta 10.0.0.2 mcs 7":                                                           "wifi ht20 5ghz sta 10.0.0.2 mcs7",
		"wifi n 2.4ghz sta 10.0.0.2 mcs7 lgi":                                               "wifi ht20 2.4ghz sta 10.0.0.2 mcs7",
		"wifi standard ac band 5ghz sta fe80::1 nss2 gi 400 mcs9":                           "wifi vht80 5ghz sta fe80::1 mcs9 nss2 sgi",
		"wifi ax sta 10.0.0.2 mcs11 nss 1 gi3200":                                           "wifi he80 5ghz sta 10.0.0.2 mcs11 nss1 gi3200",
		"wifi g sta 10.0.0.2 54mbit sta 10.0.0.3 rate 5.5mbit":                              "wifi g 2.4ghz sta 10.0.0.2 54mbit sta 10.0.0.3 5.5mbit",
		"wifi b sta 10.0.0.2 11mbit":                                                        "wifi b 2.4ghz sta 10.0.0.2 11mbit",
		"wifi ht40 basic 24mbit rtscts 2347 sta 10.0.0.2 mcs0":                              "wifi ht40 5ghz basic 24mbit rtscts 2347b sta 10.0.0.2 mcs0",
		"wifi ht40 ampdu_time 1ms hw_queue 1 sta 10.0.0.2 mcs0":                             "wifi ht40 5ghz ampdu_time 1ms hw_queue 1 sta 10.0.0.2 mcs0",
		"wifi driver_queue 1k retries 0 sta 10.0.0.2 mcs0":                                  "wifi ht20 5ghz driver_queue 1024p retries 0 sta 10.0.0.2 mcs0",
		"wifi vht80 sta 10.0.0.2 ht40 mcs15 sta 10.0.0.3 6mbit":                             "wifi vht80 5ghz sta 10.0.0.2 ht40 mcs15 sta 10.0.0.3 6mbit",
		"wifi vht80 sta 10.0.0.2 vht80 mcs5 weight 512 error 12.5":                          "wifi vht80 5ghz sta 10.0.0.2 mcs5 error 12.5% weight 512",
		"wifi sta fd00::2,10.0.0.2,10.1.0.0/16 mcs7 sta any mcs0":                           "wifi ht20 5ghz sta fd00::2,10.0.0.2,10.1.0.0/16 mcs7 sta any mcs0",
		"wifi amsdu 3839 ampdu_frames 32 ampdu_bytes 2040b sta any mcs7":                    "wifi ht20 5ghz ampdu_bytes 2040b ampdu_frames 32 amsdu 3839b sta any mcs7",
		"wifi 2.4ghz longslot protect 5.5mbit uplink_queue 100 sta any mcs7":                "wifi ht20 2.4ghz longslot protect 5.5mbit uplink_queue 100p sta any mcs7",
		"wifi edca be txop 2528us cwmax 63 edca vo dcf sta_edca bk aifsn 9 sta any mcs7":    "wifi ht20 5ghz edca be aifsn 3 cwmin 15 cwmax 63 txop 2.528ms edca vo dcf sta_edca bk aifsn 9 cwmin 15 cwmax 1023 sta any mcs7",
		"wifi dtim 2 beacon 102.4ms beacon_bytes 300 sta any mcs7 sleep 3 linger 50ms":      "wifi ht20 5ghz beacon 102.4ms beacon_bytes 300b dtim 2 sta any mcs7 sleep 3 linger 50ms",
		"wifi sta 10.0.0.2 mcs7 sends be 1500 sta 10.0.0.3 mcs7 sends vo 200 20ms error 1%": "wifi ht20 5ghz sta 10.0.0.2 mcs7 sends be 1500b sta 10.0.0.3 mcs7 error 1% sends vo 200b 20ms",
		"wifi sta 0.0.0.0/0 mcs7 sta ::/0 mcs0":                                             "wifi ht20 5ghz sta 0.0.0.0/0 mcs7 sta ::/0 mcs0",
		"wifi sta 10.0.0.2 mcs7 delay 5ms 1ms loss 1%":                                      "wifi ht20 5ghz sta 10.0.0.2 mcs7 delay 5ms 1ms loss 1%",
	} {
		if got := link.Line(made(t, line)); got != want {
			t.Errorf("%s prints as\n%s, want\n%s", line, got, want)
		}
		if again := link.Line(made(t, want)); again != want {
			t.Errorf("%s prints as\n%s", want, again)
		}
	}
}

// TestWordsMean checks what the words make of the cell.
func TestWordsMean(t *testing.T) {
	l := made(t, "wifi he40 2.4ghz basic 11mbit rtscts 500 ampdu_time 2ms hw_queue 3 driver_queue 64 retries 4 "+
		"sta 10.0.0.2 ht40 mcs15 sgi weight 300 error 50% sta fd00::3 he20 mcs11 nss2 gi1600 sta 10.0.0.4 9mbit")
	c := l.(*Cell).conf
	if !c.GHz2 || c.Basic.Kbps != 11000 || c.Basic.PHY != DSSS || c.RTS != 500 || c.Longest != 2*time.Millisecond || c.Hardware != 3 || c.Driver != 64 || c.Retries != 4 {
		t.Errorf("cell %+v", c)
	}
	for i, want := range []string{"ht40 mcs15 sgi", "he20 mcs11 nss2 gi1600", "ofdm 9mbit"} {
		if got := c.Stations[i].Mode.String(); got != want {
			t.Errorf("station %d is %s, want %s", i, got, want)
		}
	}
	if s := c.Stations[0]; s.Weight != 300 || s.Error != 1<<31 || s.Addr.String() != "10.0.0.2" {
		t.Errorf("station %+v", s)
	}
}

// TestStandards checks what a cell's standard and band mean for its timing.
func TestStandards(t *testing.T) {
	for line, want := range map[string]timing{
		"a sta any 54mbit":               {slot: 9 * us, sifs: 16 * us},
		"b sta any 11mbit":               {slot: 20 * us, sifs: 10 * us, extension: 6 * us},
		"b nolongslot sta any 11mbit":    {slot: 20 * us, sifs: 10 * us, extension: 6 * us},
		"g sta any 54mbit":               {slot: 9 * us, sifs: 10 * us, extension: 6 * us},
		"g longslot sta any 54mbit":      {slot: 20 * us, sifs: 10 * us, extension: 6 * us},
		"ht20 2.4ghz sta any mcs7":       {slot: 9 * us, sifs: 10 * us, extension: 6 * us},
		"he80 sta any mcs7 sta ::1 mcs0": {slot: 9 * us, sifs: 16 * us},
	} {
		got := made(t, "wifi "+line).(*Cell).t
		if got.slot != want.slot || got.sifs != want.sifs || got.extension != want.extension {
			t.Errorf("%s: slot %v, SIFS %v, extension %v; want %v, %v, %v", line, got.slot, got.sifs, got.extension, want.slot, want.sifs, want.extension)
		}
	}
}

// TestBasic checks at what rate frames for all are sent: one that every station
// understands, unless another is said.
func TestBasic(t *testing.T) {
	for line, want := range map[string]string{
		"a sta any 54mbit":                                   "ofdm 6mbit",
		"b sta any 11mbit":                                   "dsss 1mbit",
		"g sta any 54mbit":                                   "ofdm 6mbit",
		"g sta any 11mbit":                                   "ofdm 6mbit",
		"g sta any 54mbit sta 10.0.0.2 b 11mbit":             "dsss 1mbit",
		"g basic 2mbit sta any 54mbit sta 10.0.0.2 b 11mbit": "dsss 2mbit",
		"g basic 6mbit sta any 54mbit sta 10.0.0.2 b 11mbit": "ofdm 6mbit",
		"ht20 2.4ghz sta any standard b 1mbit sta 10.0.0.2 standard g 54mbit": "dsss 1mbit",
		"he80 sta any mcs7": "ofdm 6mbit",
	} {
		if got := made(t, "wifi "+line).(*Cell).conf.Basic.String(); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// wordErrors has what is said of lines that are refused.
var wordErrors = map[string]string{
	"wifi":                                                            `no stations: add for example "sta 10.0.0.2 mcs7"`,
	"wifi ht20 sta":                                                   `sta needs an address`,
	"wifi ht20 sta x mcs7":                                            `sta: illegal "x": want IPv4 or IPv6 addresses or prefixes`,
	"wifi ht20 sta 10.0.0.2":                                          `sta 10.0.0.2: no rate: write for example mcs7`,
	"wifi g sta 10.0.0.2":                                             `no rate: write for example 11mbit (b) or 54mbit (a, g)`,
	"wifi g sta 10.0.0.2 mcs7":                                        `no rate`,
	"wifi ht20 sta 10.0.0.2 mcs77":                                    `illegal "mcs": want 0 to 31`,
	"wifi ht20 sta 10.0.0.2 mcd7":                                     `sta 10.0.0.2: What is "mcd7"?`,
	"wifi ht20 sta 10.0.0.2 7mbit":                                    "want one of 1mbit 2mbit",
	"wifi ht20 sta 10.0.0.2 1mbit":                                    "1mbit is not at 5ghz: write 6mbit or more",
	"wifi ht20 basic 1mbit sta 10.0.0.2 mcs1":                         "basic 1mbit is not at 5ghz",
	"wifi ht20 sta 10.0.0.2 mcs1 6mbit":                               "mcs1 and 6mbit: write one of them",
	"wifi ht20 sta 10.0.0.2 6mbit sgi":                                "6mbit has no streams and no guard interval",
	"wifi ht20 sta 10.0.0.2 mcs9 nss2":                                "ht numbers streams in its mcs: mcs9 has 2",
	"wifi vht20 sta 10.0.0.2 mcs9":                                    "choose the next lower",
	"wifi he20 sta 10.0.0.2 mcs9 sgi":                                 "guard interval in ns 400",
	"wifi vht80 2.4ghz sta 10.0.0.2 mcs9":                             "vht80 is not at 2.4ghz: write 5ghz",
	"wifi ht30 sta 10.0.0.2 mcs9":                                     `What is "ht30"?`,
	"wifi standard ht30 sta 10.0.0.2 mcs9":                            `did you mean "ht20"?`,
	"wifi sta 10.0.0.2 mcs9 sta 10.0.0.2 mcs1":                        "sta 10.0.0.2: an address of it is another station's: 10.0.0.2",
	"wifi sta 10.0.0.2 mcs9 rtscts 100":                               `sta 10.0.0.2: "rtscts" is the cell's: write it before the first sta`,
	"wifi sta any mcs7 beacon 102.4ms":                                `sta any: "beacon" is the cell's: write it before the first sta`,
	"wifi sta any mcs7 2.4ghz":                                        `sta any: "band" is the cell's`,
	"wifi weight 3 sta any mcs7":                                      `wifi: "weight" is a station's: write it behind the station's address`,
	"wifi mcs7 sta any":                                               `wifi: "mcs" is a station's`,
	"wifi sta 224.0.0.251 mcs7":                                       "224.0.0.251 is a group's: what is for it goes to all stations",
	"wifi sta 10.0.0.2,ff02::/16 mcs7":                                "ff02::/16 is a group's",
	"wifi sta 255.255.255.255 mcs7":                                   "255.255.255.255 is a group's",
	"wifi driver_queue 0 sta any mcs7":                                `illegal "driver_queue": want 1 to 1048576`,
	"wifi uplink_queue 2m sta any mcs7":                               `illegal "uplink_queue": want 1 to 1048576`,
	"wifi sta 10.0.0.2 mcs9 front loss 1%":                            `"front" belongs to wires`,
	"wifi sta 10.0.0.2 mcs9 reorder 1%":                               "reordering not possible without specifying some delay",
	"wifi sta 10.0.0.2/24 mcs7":                                       "10.0.0.2/24 has bits beyond its length: write 10.0.0.0/24",
	"wifi sta any mcs7 sta any mcs6":                                  "sta any: an address of it is another station's",
	"wifi sta 10.0.0.2,10.0.1.0/24 mcs7 sta 10.0.1.0/24 mcs6":         "another station's: 10.0.0.2,10.0.1.0/24",
	"wifi edca xx dcf sta any mcs7":                                   "want a category first: bk, be, vi or vo",
	"wifi edca be sta any mcs7":                                       "want edca CATEGORY and dcf, or of aifsn",
	"wifi edca be cwmin 31 cwmax 15 sta any mcs7":                     "cwmax 15 is less than cwmin 31",
	"wifi edca be txop 3s sta any mcs7":                               `edca: illegal "txop"`,
	"wifi protect 1mbit sta any mcs7":                                 "protect 1mbit is not at 5ghz",
	"wifi longslot sta any mcs7":                                      "longslot is not at 5ghz",
	"wifi dtim 3 sta any mcs7":                                        `dtim 3, and there are no beacons: add "beacon 102.4ms"`,
	"wifi beacon 1ms sta any mcs7":                                    "beacon 1ms: want at least 1.024ms",
	"wifi b beacon 2.5ms beacon_bytes 300 sta any 11mbit":             "beacon 2.5ms: one of 300 bytes takes 2.592ms at 1mbit: write a longer time",
	"wifi g beacon 2ms sta any standard b 11mbit":                     "beacon 2ms: one of 250 bytes takes 2.192ms at 1mbit",
	"wifi sta any mcs7 sleep 1":                                       `sta any sleeps, and there are no beacons`,
	"wifi sta any mcs7 sends":                                         "want a category first",
	"wifi sta any mcs7 sends be":                                      "want the SIZE of a packet",
	"wifi sta any mcs7 sends be 1":                                    "20 to 65535 bytes",
	"wifi sta any mcs7 sends be 1500 0ms":                             "want the TIME between packets, 1us or more",
	"wifi hw_queue 0 sta 10.0.0.2 mcs9":                               `illegal "hw_queue": want 1 to 64`,
	"wifi beacon 102.4ms sta any mcs7 sleep 1 linger 0":               "want 1us to 1h, 100ms without the word",
	"wifi beacon 102.4ms sta any mcs7 sleep 1 linger 0ms":             "want 1us to 1h, 100ms without the word",
	"wifi vht80 sta any mcs6 nss3":                                    "mcs 6 does not exist for vht80 with 3 streams",
	"wifi ht20 2.4ghz sta any standard vht20 mcs8":                    "vht20 is not at 2.4ghz, where the cell is: write one of b, g, ht20, ht40, he20, he40",
	"wifi ht20 sta any ht40 mcs7":                                     "ht40 is wider than the cell, ht20",
	"wifi ht40 sta any he20 mcs7":                                     "he20 is of a later standard than the cell, ht40: let the cell be of its standard",
	"wifi b sta any 54mbit":                                           "54mbit is not among the rates of b",
	"wifi b sta any standard g 54mbit":                                "g is of a later standard than the cell, b",
	"wifi sta any mcs7 weight 0":                                      `illegal "weight": want 1 to 65535`,
	"wifi sta 10.0.0.2 mcs9 delay 1ms mcs9":                           `wifi: What is "mcs9"?`,
	"wifi sta 10.0.0.2 mcs9 error 101%":                               "want a percentage from 0% to 100%",
	"wifi sta 10.0.0.2 mcs9" + strings.Repeat(" sta fe80::1 mcs1", 2): "another station's: fe80::1",
}

// TestWordErrors checks the wording: tc's, and the way out.
func TestWordErrors(t *testing.T) {
	for line, want := range wordErrors {
		l, err := fromWords(line, link.Env{})
		if err == nil {
			t.Errorf("%s was accepted as %q", line, link.Line(l))
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %q", line, err, want)
		}
	}
}

// TestBehind checks that a cell with impairments behind it is one still, and that
// they happen.
func TestBehind(t *testing.T) {
	l := made(t, "wifi sta 10.0.0.2 mcs7 weight 99 sta 10.0.0.3 mcs7 delay 1s")
	c, ok := l.(link.Cell)
	if !ok || c.Stations() != 2 || c.Weight(0) != 99 || c.Airtime(1, 1514) == 0 {
		t.Fatalf("%T is no cell", l)
	}
	if _, ok := link.Inner(l).(*Cell); !ok {
		t.Errorf("inside is %T", link.Inner(l))
	}
	const answer = 16*us + 32*us // SIFS and a block acknowledgement at 24 Mbit/s
	src := newSaturated(link.Inner(l).(*Cell).Medium, 1500)
	at := &lastDelivery{}
	if free, busy := l.Transmit(0, src, at); !busy || at.at != free.Add(time.Second-answer) {
		t.Errorf("free at %v, delivered at %v", free, at.at)
	}
}

// lastDelivery remembers when the last packet arrived.
type lastDelivery struct{ at pkt.Time }

func (l *lastDelivery) Deliver(at pkt.Time, _ *pkt.Packet)  { l.at = at }
func (l *lastDelivery) Lose(pkt.Time, *pkt.Packet)          {}
func (l *lastDelivery) Duplicate(p *pkt.Packet) *pkt.Packet { return p }

// FuzzWords checks that what is accepted prints as something accepted that prints
// the same, and that it carries packets alike.
func FuzzWords(f *testing.F) {
	for _, s := range []string{
		"ht20 5ghz sta 10.0.0.2 mcs15 sgi sta 10.0.0.3 mcs0", "g basic 1mbit sta 10.0.0.2 5.5mbit error 1%", "ac rtscts 1k sta fe80::1 mcs9 nss3 delay 1ms",
		"ax hw_queue 3 driver_queue 5p retries 1 ampdu_time 1us sta 10.0.0.2 n mcs 3 gi 400 weight 7 loss gemodel 1%", "help", "sta sta sta", "sta any mcs7 minstrel errors 1% 2% sta ::1 mcs1 snr 9 sta ::2 mcs3 rates walk.csv",
		"he40 2.4ghz sta ::3 ht40 mcs3 rates walk.csv sta ::2 g 54mbit sta ::4 vht20 mcs8",
		"2.4ghz longslot protect 1mbit edca be txop 1ms cwmax 31 sta_edca vo dcf amsdu 3839 ampdu_frames 9 ampdu_bytes 9k sta 10.0.0.0/8,::1 mcs7 sends be 1500 1ms",
		"beacon 102.4ms dtim 2 beacon_bytes 9 uplink_queue 3 sta any mcs7 sleep 2 linger 1us sends vo 200",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, words string) {
		env := link.Env{Seed: 1, ReadFile: readFile}
		l, err := fromWords("wifi "+words, env)
		if err != nil {
			return
		}
		again, err := fromWords(link.Line(l), env)
		if err != nil || link.Line(again) != link.Line(l) {
			t.Fatalf("%q prints as %q, then %v", words, link.Line(l), err)
		}
		for range 5 {
			a, b := &lastDelivery{}, &lastDelivery{}
			free, _ := l.Transmit(0, newSaturated(link.Inner(l).(*Cell).Medium, 1500), a)
			if again, _ := again.Transmit(0, newSaturated(link.Inner(again).(*Cell).Medium, 1500), b); free != again || a.at != b.at {
				t.Fatalf("%q and %q carry differently", words, link.Line(l))
			}
		}
	})
}
