// Package wifi is an 802.11 access point's medium as a link: stations with rates
// of their own, EDCA's contention, aggregates, block acknowledgements, retries
// and the airtime all of that takes.
package wifi
