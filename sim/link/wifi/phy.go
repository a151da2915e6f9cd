package wifi

import (
	"fmt"
	"time"
)

// PHY is a physical layer of 802.11.
type PHY uint8

// The physical layers, by their clauses in IEEE 802.11-2020 and 802.11ax-2021.
const (
	DSSS PHY = iota // clauses 15 and 16: 1, 2, 5.5 and 11 Mbit/s
	OFDM            // clause 17, and ERP-OFDM of clause 18: 802.11a and g
	HT              // clause 19: 802.11n, mixed format
	VHT             // clause 21: 802.11ac, single user
	HE              // clause 27: 802.11ax, single user
)

// String is the layer's name in a scenario.
func (p PHY) String() string { return [...]string{"dsss", "ofdm", "ht", "vht", "he"}[p] }

// Mode is how a PPDU is sent: everything its rate depends on.
type Mode struct {
	PHY PHY
	// Kbps is the rate of DSSS and OFDM, in kbit/s; 0 for the others.
	Kbps int
	// Width of the channel in MHz: 20, 40, 80 or 160; 20 for OFDM.
	Width int
	// MCS is 0 to 9 for VHT and 0 to 11 for HE. HT numbers streams too: 0 to 31.
	MCS int
	// Streams is the number of spatial streams, 1 to 8; for HT it is in MCS.
	Streams int
	// GI is the guard interval: 800 or 400 ns, for HE 800, 1600 or 3200 ns.
	GI time.Duration
}

// coding is bits per subcarrier and symbol, and the code rate.
type coding struct{ bits, num, den int }

// codings by MCS, of a single stream.
var codings = [...]coding{
	{1, 1, 2}, {2, 1, 2}, {2, 3, 4}, {4, 1, 2}, {4, 3, 4}, {6, 2, 3},
	{6, 3, 4}, {6, 5, 6}, {8, 3, 4}, {8, 5, 6}, {10, 3, 4}, {10, 5, 6},
}

// streams is the number of spatial streams, also of HT.
func (m *Mode) streams() int {
	if m.PHY == HT {
		return m.MCS/8 + 1
	}
	return max(m.Streams, 1)
}

func (m *Mode) coding() coding {
	if m.PHY == HT {
		return codings[m.MCS%8]
	}
	return codings[m.MCS]
}

// subcarriers that carry data, by width.
func (m *Mode) subcarriers() int {
	if m.PHY == HE {
		return map20(m.Width, 234, 468, 980, 1960)
	}
	return map20(m.Width, 52, 108, 234, 468)
}

func map20(width, w20, w40, w80, w160 int) int {
	switch width {
	case 20:
		return w20
	case 40:
		return w40
	case 80:
		return w80
	case 160:
		return w160
	}
	return 0
}

// symbol is how long an OFDM symbol takes, guard interval included.
func (m *Mode) symbol() time.Duration {
	switch m.PHY {
	case HE:
		return 12800 + m.GI
	case HT, VHT:
		return 3200 + m.GI
	}
	return 4000
}

// bitsPerSymbol is N_DBPS: the data bits that a symbol carries.
func (m *Mode) bitsPerSymbol() int {
	if m.PHY == OFDM {
		return m.Kbps * 4 / 1000
	}
	c := m.coding()
	return m.subcarriers() * c.bits * m.streams() * c.num / c.den
}

// Kbits is the mode's rate in kbit/s, rounded down.
func (m *Mode) Kbits() int {
	if m.PHY == DSSS || m.PHY == OFDM {
		return m.Kbps
	}
	return int(int64(m.bitsPerSymbol()) * 1e6 / int64(m.symbol()))
}

// Validate says what is wrong with the mode, if anything is.
func (m *Mode) Validate() error {
	switch m.PHY {
	case DSSS:
		return oneOf("rate", m.Kbps, 1000, 2000, 5500, 11000)
	case OFDM:
		return oneOf("rate", m.Kbps, 6000, 9000, 12000, 18000, 24000, 36000, 48000, 54000)
	}
	most, widths, guards := 31, []int{20, 40}, []int{800, 400}
	switch m.PHY {
	case VHT:
		most, widths = 9, []int{20, 40, 80, 160}
	case HE:
		most, widths, guards = 11, []int{20, 40, 80, 160}, []int{800, 1600, 3200}
	}
	if m.MCS < 0 || m.MCS > most {
		return fmt.Errorf("mcs %d: %s has 0 to %d", m.MCS, m.PHY, most)
	}
	if m.PHY != HT && (m.Streams < 1 || m.Streams > 8) {
		return fmt.Errorf("%d streams: want 1 to 8", m.Streams)
	}
	if err := oneOf("width in MHz", m.Width, widths...); err != nil {
		return err
	}
	if err := oneOf("guard interval in ns", int(m.GI), guards...); err != nil {
		return err
	}
	if m.PHY == VHT && !m.exists() {
		return fmt.Errorf("mcs %d does not exist for vht%d with %d streams: choose the next lower", m.MCS, m.Width, m.Streams)
	}
	return nil
}

// exists says whether the tables of VHT have the mode (802.11-2020 §21.5). The
// coded bits that each encoder has of a symbol must be a multiple of the code
// rate's denominator; where the number of encoders can be raised for that, the
// tables do so, and leave out these four modes besides what is no whole number of
// bits.
func (m *Mode) exists() bool {
	switch [3]int{m.Width, m.Streams, m.MCS} {
	case [3]int{80, 3, 6}, [3]int{80, 7, 6}, [3]int{80, 6, 9}, [3]int{160, 3, 9}:
		return false
	}
	c := m.coding()
	return m.subcarriers()*c.bits*m.streams()*c.num%c.den == 0
}

func oneOf(what string, v int, allowed ...int) error {
	for _, a := range allowed {
		if v == a {
			return nil
		}
	}
	return fmt.Errorf("%s %d: want one of %v", what, v, allowed)
}

// String is the mode in the words of a scenario: "ht20 mcs15 sgi".
func (m *Mode) String() string {
	switch m.PHY {
	case DSSS, OFDM:
		if m.Kbps%1000 == 0 {
			return fmt.Sprintf("%s %dmbit", m.PHY, m.Kbps/1000)
		}
		return fmt.Sprintf("%s %d.%dmbit", m.PHY, m.Kbps/1000, m.Kbps%1000/100)
	}
	s := fmt.Sprintf("%s%d mcs%d", m.PHY, m.Width, m.MCS)
	if m.PHY != HT && m.Streams > 1 {
		s += fmt.Sprintf(" nss%d", m.Streams)
	}
	switch m.GI {
	case 400:
		s += " sgi"
	case 1600, 3200:
		s += fmt.Sprintf(" gi%d", m.GI)
	}
	return s
}

// longTraining is the number of long training fields for so many streams.
func longTraining(streams int) time.Duration {
	return time.Duration([]int{1, 2, 4, 4, 6, 6, 8, 8}[streams-1])
}

const us = time.Microsecond

// preamble is what precedes a PPDU's data: training fields and headers. DSSS
// has the long preamble. VHT-SIG-B is in every VHT PPDU (802.11-2020 figure 21-4,
// and its term in TXTIME, §21.4.3), as Linux' estimate of airtime has it.
func (m *Mode) preamble() time.Duration {
	const legacy = 20 * us // L-STF, L-LTF, L-SIG
	switch m.PHY {
	case DSSS:
		return 192 * us
	case HT: // HT-SIG, HT-STF, HT-LTFs
		return legacy + 8*us + 4*us + longTraining(m.streams())*4*us
	case VHT: // VHT-SIG-A, VHT-STF, VHT-LTFs, VHT-SIG-B
		return legacy + 8*us + 4*us + longTraining(m.streams())*4*us + 4*us
	case HE: // RL-SIG, HE-SIG-A, HE-STF, HE-LTFs of 8 µs
		return legacy + 4*us + 8*us + 4*us + longTraining(m.streams())*8*us
	}
	return legacy
}

// encoders is N_ES, the number of BCC encoders, each of which adds a tail of 6
// bits: as many as it takes for 1280 bits of a symbol each in HT and 2160 in VHT
// (802.11-2020 §19.5 and §21.5), and more until each has a whole number of
// punctured blocks; 12 at most. The guard interval is of no matter.
func (m *Mode) encoders() int {
	most := 0
	switch m.PHY {
	case HT:
		most = 1280
	case VHT:
		most = 2160
	default:
		return 1 // LDPC has no tail; its service bits differ by less than a symbol
	}
	c := m.coding()
	coded, n := m.subcarriers()*c.bits*m.streams(), (m.bitsPerSymbol()+most-1)/most
	for m.PHY == VHT && n < 12 && coded%(n*c.den) != 0 {
		n++
	}
	return n
}

// Duration is how long a PPDU of so many bytes (the PSDU's) is on the air, up to
// the end of its last symbol: TXTIME of the PHY's clause but for the signal
// extension.
func (m *Mode) Duration(bytes int) time.Duration {
	bits := int64(bytes) * 8
	if m.PHY == DSSS { // at so many µs, rounded up
		return m.preamble() + time.Duration((bits*1000+int64(m.Kbps)-1)/int64(m.Kbps))*us
	}
	const service, tail = 16, 6
	per := int64(m.bitsPerSymbol())
	symbols := (service + bits + tail*int64(m.encoders()) + per - 1) / per
	return m.preamble() + time.Duration(symbols)*m.symbol()
}

// carries is the most bytes of a PSDU whose PPDU is on the air for at most so
// long, for PHYs of OFDM.
func (m *Mode) carries(d time.Duration) int {
	const service, tail = 16, 6
	symbols := int64((d - m.preamble()) / m.symbol())
	return max(int(symbols*int64(m.bitsPerSymbol())-service-tail*int64(m.encoders()))/8, 0)
}

// basic are the OFDM rates every station understands, in kbit/s.
var basic = [...]int{6000, 12000, 24000}

// Response is the mode of the control frame that answers a PPDU in mode m: the
// highest basic rate not above its rate, or not above the rate of a non-HT PPDU
// with its modulation and code (802.11-2020 §10.6.6.5.2, table 10-10).
func (m *Mode) Response() Mode {
	if m.PHY == DSSS {
		return *m
	}
	reference := m.Kbps
	if m.PHY != OFDM {
		c := m.coding()
		reference = 12000 * c.bits * c.num / c.den // 48 subcarriers, 4 µs
	}
	r := Mode{PHY: OFDM, Width: 20, Kbps: basic[0]}
	for _, b := range basic {
		if b <= reference {
			r.Kbps = b
		}
	}
	return r
}
