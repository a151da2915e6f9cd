// Package pcap reads captures (pcap, pcapng) into traces and writes runs as
// pcapng.
//
//	file ── gzip? ── blocks ── pcapgo ── link layer ── record/decode ──► traces.Record
//	Event ── record/decode.Builder ── pcapgo ──► pcapng with comments
//
// The readers and writers of the formats and the link layers are those of
// gopacket/gopacket; what is above the link layer record/decode reads. A capture
// may be hostile: no length in it is trusted, and what is remembered of it is
// bounded by the limits in limits.go.
package pcap
