package pcap

// Limits of what Import takes.
const (
	// MaxBlock bounds a pcapng block and a pcap packet, in bytes. Wireshark's own
	// limit of a packet is 256 kB; USB captures have up to 128 MB.
	MaxBlock = 1 << 20
	// MaxInterfaces bounds the interfaces of a pcapng section.
	MaxInterfaces = 1024
	// window is how many packets are sorted by time: captures of several receive
	// queues, or merged ones, are a little out of order.
	window = 1024
	// maxReasons bounds the reasons for leaving out packets that are told apart.
	maxReasons = 64
)

// maxZstdWindow bounds the memory of a compressed capture, in bytes: zstd -19
// takes 8 MiB, zstd --long 128.
const maxZstdWindow = 128 << 20
