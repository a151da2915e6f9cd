package parquet_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"reflect"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/uqtool/uq/traces/interop"
	"github.com/uqtool/uq/traces/interop/interoptest"
	"github.com/uqtool/uq/traces/interop/parquet"
	"github.com/uqtool/uq/traces/interop/table"
)

// TestSameAsCSV holds that a Parquet file has the columns and values of the CSV.
func TestSameAsCSV(t *testing.T) {
	for _, k := range []table.Kind{table.Packets, table.Events} {
		var c, p bytes.Buffer
		run := interoptest.Run("fq_codel", "rate 10mbit")
		interoptest.Simulate(t, "mix.zst", "fq_codel", "rate 10mbit delay 5ms duplicate 1% loss 1%",
			interop.Tee(table.NewCSV(&c, k), parquet.New(&p, run, k)))
		want, err := csv.NewReader(&c).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, p.Bytes(), k)
		if len(got) != len(want) || len(got) < 1000 {
			t.Fatalf("table %d: %d rows, CSV has %d", k, len(got), len(want))
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("table %d, row %d: %q, CSV has %q", k, i, got[i], want[i])
			}
		}
	}
}

// read gives the rows in words, the columns' names first.
func read(t *testing.T, file []byte, k table.Kind) [][]string {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if q, _ := f.Lookup("uq.qdisc"); q != "fq_codel" {
		t.Errorf("metadata says qdisc %q", q)
	}
	var names []string
	for _, c := range f.Schema().Fields() {
		names = append(names, c.Name())
	}
	rows := [][]string{names}
	if k == table.Events {
		return append(rows, decode[parquet.Event](t, file)...)
	}
	return append(rows, decode[parquet.Packet](t, file)...)
}

func decode[T any](t *testing.T, file []byte) (rows [][]string) {
	t.Helper()
	all, err := pq.Read[T](bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		v := reflect.ValueOf(all[i])
		var row []string
		for j := range v.NumField() {
			switch f := v.Field(j); {
			case f.Kind() == reflect.Pointer && f.IsNil():
				row = append(row, "")
			case f.Kind() == reflect.Pointer:
				row = append(row, fmt.Sprint(f.Elem()))
			default:
				row = append(row, fmt.Sprint(f))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// TestRowGroups holds that a long run is written in parts of bounded size.
func TestRowGroups(t *testing.T) {
	var p bytes.Buffer
	w := parquet.New(&p, interop.Run{}, table.Packets)
	var l interoptest.List
	interoptest.Text(t, interoptest.Sample, &l)
	e := l.Events[2]
	if !e.Last() {
		t.Fatal("the sample's third event is not a last one")
	}
	const n = 150_000
	for i := range uint64(n) {
		e.ID = i
		if err := w.Event(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(0); err != nil {
		t.Fatal(err)
	}
	f, err := pq.OpenFile(bytes.NewReader(p.Bytes()), int64(p.Len()))
	if err != nil || f.NumRows() != n || len(f.RowGroups()) != 3 {
		t.Errorf("%d rows in %d groups, %v", f.NumRows(), len(f.RowGroups()), err)
	}
}
