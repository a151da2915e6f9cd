package pkt

import "testing"

func TestAC(t *testing.T) {
	for _, c := range []struct {
		name string
		dscp uint8
		up   uint8
		want AC
	}{
		{"CS0", 0, 0, ACBE}, {"LE", 1, 1, ACBK}, {"CS1", 8, 1, ACBK}, {"AF11", 10, 0, ACBE}, {"AF13", 14, 0, ACBE}, {"CS2", 16, 0, ACBE},
		{"AF21", 18, 3, ACBE}, {"AF23", 22, 3, ACBE}, {"CS3", 24, 4, ACVI}, {"AF31", 26, 4, ACVI}, {"AF33", 30, 4, ACVI}, {"CS4", 32, 4, ACVI},
		{"AF41", 34, 4, ACVI}, {"CS5", 40, 5, ACVI}, {"VOICE-ADMIT", 44, 6, ACVO}, {"EF", 46, 6, ACVO}, {"CS6", 48, 7, ACVO}, {"CS7", 56, 7, ACVO},
		{"unnamed 17", 17, 2, ACBK}, {"unnamed 63", 63, 7, ACVO},
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
