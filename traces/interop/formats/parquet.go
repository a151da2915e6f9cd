//go:build !noparquet

package formats

import (
	"github.com/uqtool/uq/traces/interop/parquet"
	"github.com/uqtool/uq/traces/interop/table"
)

// parquetFormats are left out with the build tag noparquet, for small devices:
// they are a fifth of the program.
func parquetFormats() []Format {
	f := []Format{rows("parquet", parquet.New, table.Packets), rows("parquet", parquet.New, table.Events)}
	for i := range f {
		f[i].Binary = true
	}
	return f
}
