// Package tools holds what uq exports against the programs that it is for:
// tshark, capinfos, editcap, flent, pandas, DuckDB, HdrHistogram's log processor.
// Its tests have the build tag interop and need all of them; make interop gets
// them, from Debian and npm, and runs the tests.
package tools
