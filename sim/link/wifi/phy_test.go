package wifi

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/uqtool/uq/sim/link"
	"github.com/uqtool/uq/sim/pkt"
)

func ofdm(mbit int) Mode         { return Mode{PHY: OFDM, Width: 20, Kbps: mbit * 1000} }
func ht(width, mcs, gi int) Mode { return Mode{PHY: HT, Width: width, MCS: mcs, GI: time.Duration(gi)} }
func vht(width, mcs, nss, gi int) Mode {
	return Mode{PHY: VHT, Width: width, MCS: mcs, Streams: nss, GI: time.Duration(gi)}
}
func he(width, mcs, nss, gi int) Mode {
	return Mode{PHY: HE, Width: width, MCS: mcs, Streams: nss, GI: time.Duration(gi)}
}

// TestDuration checks PPDUs of 1536, 76 and 14 bytes against the vectors of
// ns-3 (src/wifi/test/tx-duration-test.cc), in µs. Those of VHT lack VHT-SIG-B,
// which ns-3 counts for several users only and the standard's figure 21-4 has in
// every PPDU: they are 4 µs longer here.
func TestDuration(t *testing.T) {
	const sigB = 4
	for _, c := range []struct {
		mode             Mode
		big, small, tiny float64
	}{
		{ofdm(54), 248, 32, 24},
		{ht(20, 7, 800), 228, 48, 40},
		{ht(20, 0, 400), 1742.4, 126, 57.6},
		{ht(40, 7, 800), 128, 44, 40},
		{ht(40, 7, 400), 118.8, 43.2, 39.6},
		{vht(20, 8, 1, 800), 196 + sigB, 48 + sigB, 40 + sigB},
		{vht(40, 9, 1, 800), 108 + sigB, 40 + sigB, 40 + sigB},
		{vht(80, 0, 1, 800), 460 + sigB, 60 + sigB, 44 + sigB},
		{vht(80, 9, 1, 800), 68 + sigB, 40 + sigB, 40 + sigB},
		{vht(160, 8, 1, 800), 56 + sigB, 0, 0},
		{he(20, 0, 1, 800), 1485.6, 125.6, 71.2},
		{he(20, 11, 1, 800), 139.2, 0, 0},
		{he(80, 0, 1, 800), 397.6, 71.2, 57.6},
		{he(80, 11, 1, 800), 71.2, 57.6, 57.6},
		{he(160, 11, 1, 800), 57.6, 0, 0},
		{Mode{PHY: DSSS, Kbps: 11000}, 1310, 0, 0},
	} {
		if err := c.mode.Validate(); err != nil {
			t.Errorf("%s: %v", c.mode.String(), err)
		}
		for bytes, want := range map[int]float64{1536: c.big, 76: c.small, 14: c.tiny} {
			if got := float64(c.mode.Duration(bytes)) / 1e3; want != 0 && got != want {
				t.Errorf("%s, %d bytes: %v us, want %v", c.mode.String(), bytes, got, want)
			}
		}
	}
}

// TestControlFrames checks acknowledgements and block acknowledgements, in µs.
func TestControlFrames(t *testing.T) {
	for _, c := range []struct {
		mbit        int
		ack, blockA time.Duration
	}{{24, 28, 32}, {12, 32, 44}, {6, 44, 68}} {
		m := ofdm(c.mbit)
		if ack, ba := m.Duration(14), m.Duration(32); ack != c.ack*us || ba != c.blockA*us {
			t.Errorf("%d Mbit/s: ack %v, block ack %v; want %d and %d us", c.mbit, ack, ba, c.ack, c.blockA)
		}
	}
	for _, c := range []struct {
		mode Mode
		want int
	}{
		{ht(20, 15, 400), 24000}, {ht(20, 0, 400), 6000}, {ht(40, 1, 800), 12000}, {ht(20, 2, 800), 12000}, {ht(20, 3, 800), 24000},
		{vht(80, 9, 2, 400), 24000}, {ofdm(54), 24000}, {ofdm(18), 12000}, {ofdm(9), 6000}, {he(20, 0, 1, 800), 6000},
	} {
		if r := c.mode.Response(); r.PHY != OFDM || r.Kbps != c.want {
			t.Errorf("%s is answered at %d kbit/s, want %d", c.mode.String(), r.Kbps, c.want)
		}
	}
}

// TestBlockAcknowledgement checks how long after an aggregate the medium is idle
// again: SIFS and a block acknowledgement of 32 bytes, or of 56 where the window is
// of 256 MPDUs, whose bitmap is four times as long (802.11ax §9.3.1.8).
func TestBlockAcknowledgement(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		want time.Duration
	}{{ht(20, 15, 400), 48 * us}, {vht(80, 9, 1, 400), 48 * us}, {he(80, 11, 1, 800), 56 * us}, {he(20, 0, 1, 800), 116 * us}, {ht(20, 0, 400), 84 * us}} {
		m := New(cell(c.mode), link.Env{})
		if got := m.answer(&aggregate{q: &m.txqs[0][pkt.ACBE], mode: c.mode, mpdus: 2}); got != c.want {
			t.Errorf("%s: %v, want %v", c.mode.String(), got, c.want)
		}
	}
}

// TestRates checks the rates that tables print, in Mbit/s.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		want float64
		name string
	}{
		{ht(20, 0, 800), 6.5, "ht20 mcs0"}, {ht(20, 0, 400), 7.222, "ht20 mcs0 sgi"}, {ht(20, 7, 800), 65, "ht20 mcs7"},
		{ht(20, 15, 400), 144.444, "ht20 mcs15 sgi"}, {ht(40, 15, 400), 300, "ht40 mcs15 sgi"},
		{vht(80, 9, 1, 800), 390, "vht80 mcs9"}, {vht(80, 9, 1, 400), 433.333, "vht80 mcs9 sgi"},
		{vht(160, 9, 2, 400), 1733.333, "vht160 mcs9 nss2 sgi"},
		{he(20, 11, 1, 800), 143.382, "he20 mcs11"}, {he(80, 11, 1, 800), 600.441, "he80 mcs11"},
		{he(160, 11, 2, 800), 2401.91, "he160 mcs11 nss2"}, {he(20, 0, 1, 3200), 7.3125, "he20 mcs0 gi3200"},
		{ofdm(54), 54, "ofdm 54mbit"}, {Mode{PHY: DSSS, Kbps: 5500}, 5.5, "dsss 5.5mbit"},
	} {
		if got := float64(c.mode.Kbits()) / 1e3; math.Abs(got-c.want) > 0.1 {
			t.Errorf("%s: %v Mbit/s, want %v", c.mode.String(), got, c.want)
		}
		if c.mode.String() != c.name {
			t.Errorf("%s prints as %s", c.name, c.mode.String())
		}
	}
}

// TestEncoders checks N_ES where the tables of 802.11-2016 §21.5 leave the rule of
// one encoder for 2160 bits (those that ns-3's VhtPhy lists), and around that
// bound; a shorter guard interval changes the rate, and no encoder.
func TestEncoders(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		want int
	}{
		{ht(40, 15, 800), 1}, {ht(40, 21, 800), 2}, {ht(40, 31, 800), 2}, {ht(20, 31, 800), 1},
		{vht(80, 7, 2, 800), 2}, {vht(80, 6, 2, 800), 1}, {vht(80, 7, 3, 800), 2}, {vht(80, 8, 3, 800), 2}, {vht(80, 9, 3, 800), 3},
		{vht(80, 9, 1, 800), 1}, {vht(160, 9, 1, 800), 2}, {vht(160, 9, 2, 800), 3}, {vht(40, 9, 4, 800), 2}, {vht(20, 9, 3, 800), 1},
		{vht(80, 2, 7, 800), 3}, {vht(80, 7, 7, 800), 6}, {vht(80, 8, 7, 800), 6}, {vht(80, 7, 8, 800), 6},
		{vht(160, 7, 4, 800), 6}, {vht(160, 8, 5, 800), 8}, {vht(160, 7, 6, 800), 8},
		{vht(160, 3, 7, 800), 4}, {vht(160, 4, 7, 800), 6}, {vht(160, 5, 7, 800), 7}, {vht(160, 7, 7, 800), 9},
		{vht(160, 8, 7, 800), 12}, {vht(160, 9, 7, 800), 12},
	} {
		for _, gi := range []time.Duration{800, 400} {
			c.mode.GI = gi
			if got := c.mode.encoders(); got != c.want {
				t.Errorf("%s: %d encoders, want %d", c.mode.String(), got, c.want)
			}
		}
	}
}

// TestExists counts the modes of VHT that the standard's tables lack: of 320, ten.
func TestExists(t *testing.T) {
	var lack []string
	for _, width := range []int{20, 40, 80, 160} {
		for nss := range 8 {
			for mcs := range 10 {
				if m := vht(width, mcs, nss+1, 800); m.Validate() != nil {
					lack = append(lack, m.String())
				}
			}
		}
	}
	want := []string{
		"vht20 mcs9", "vht20 mcs9 nss2", "vht20 mcs9 nss4", "vht20 mcs9 nss5", "vht20 mcs9 nss7", "vht20 mcs9 nss8",
		"vht80 mcs6 nss3", "vht80 mcs9 nss6", "vht80 mcs6 nss7", "vht160 mcs9 nss3",
	}
	if !slices.Equal(lack, want) {
		t.Errorf("the tables lack %v, want %v", lack, want)
	}
}

func TestValidate(t *testing.T) {
	for want, m := range map[string]Mode{
		"mcs 9 does not exist for vht20 with 1 streams: choose the next lower": vht(20, 9, 1, 800),
		"":                                     vht(20, 9, 3, 800),
		"mcs 32: ht has 0 to 31":               ht(20, 32, 800),
		"width in MHz 80: want one of [20 40]": ht(80, 0, 800),
		"guard interval in ns 400: want one of [800 1600 3200]":                  he(20, 0, 1, 400),
		"9 streams: want 1 to 8":                                                 he(20, 0, 9, 800),
		"rate 7000: want one of [6000 9000 12000 18000 24000 36000 48000 54000]": ofdm(7),
	} {
		got := ""
		if err := m.Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", m.String(), got, want)
		}
	}
}
