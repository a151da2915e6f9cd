package pkt

import "testing"

func TestAC(t *testing.T) {
	for _, c := range []struct {
		name string
		dscp uint8
		up   uint8
		want AC
	}{
		{"CS0", 0, 0, ACBE}, {"LE", 1, 0, ACBE}, {"CS1", 8, 1, ACBK}, {"AF11", 10, 1, ACBK}, {"AF21", 18, 2, ACBK},
		{"AF31", 26, 3, ACBE}, {"AF41", 34, 4, ACVI}, {"CS5", 40, 5, ACVI}, {"EF", 46, 5, ACVI}, {"CS6", 48, 6, ACVO}, {"CS7", 56, 7, ACVO},
	} {
		p := &Packet{DSField: c.dscp<<2 | 2}
		if p.UserPriority() != c.up || p.AC() != c.want {
			t.Errorf("%s: user priority %d, %v; want %d, %v", c.name, p.UserPriority(), p.AC(), c.up, c.want)
		}
	}
	if ACVO.String() != "VO" || AC(9).String() != "AC9" {
		t.Error("names")
	}
}
