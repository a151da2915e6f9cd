package replay

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/uqtool/uq/traces"
)

// pack makes a trace of its text form.
func pack(t *testing.T, text string) []byte {
	t.Helper()
	r, err := traces.NewTextReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := traces.NewWriter(&b, r.Header(), traces.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := traces.Copy(w, r, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What cannot be computed again is refused, and the reason names the field.
func TestVerifyRefuses(t *testing.T) {
	const pfifo = `"scheduler":{"qdisc":"pfifo","link":"rate 1mbit"}`
	for _, c := range []struct {
		name, header, packet string
		want                 error
		words                string
	}{
		{"no scheduler", `"comment":"x"`, "", ErrNotLive, ""},
		{"anonymized", `"anonymized":"crypto-pan",` + pfifo, "", ErrAnonymized, "cannot be computed again"},
		{"qdisc", `"scheduler":{"qdisc":"warp","link":"rate 1mbit"}`, "", traces.ErrUnusable, "scheduler.qdisc in the header"},
		{"link", `"scheduler":{"qdisc":"pfifo","link":"rate soon"}`, "", traces.ErrUnusable, "scheduler.link in the header"},
		{"link header", `"link_header":-1,` + pfifo, "", traces.ErrUnusable, "link_header -1"},
		{"negative time", pfifo, "p time=-1 flow=1,10.0.0.1>10.0.0.2 len=20\n", traces.ErrUnusable, "record 0"},
		{"no length", pfifo, "p time=1 flow=1,10.0.0.1>10.0.0.2\n", traces.ErrUnusable, "len is 0"},
		{"horizon", pfifo, "p time=1 flow=1,10.0.0.1>10.0.0.2 len=20\n", traces.ErrUnusable, "horizon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify(t, pack(t, "uq-trace-text 1\nheader {"+c.header+"}\n"+c.packet+`end {"scheduled":{"horizon_ns":5}}`+"\n"))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v", err)
			}
		})
	}
}
