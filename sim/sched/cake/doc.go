// Package cake is tc's cake, Common Applications Kept Enhanced (Høiland-
// Jørgensen, Täht and Morton, "Piece of CAKE: A Comprehensive Queue Management
// Solution for Home Gateways", LANMAN 2018; tc-cake(8)), with the rules of
// Linux.
package cake
