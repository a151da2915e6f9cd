//go:build noparquet

package formats

func parquetFormats() []Format { return nil }
