package coturn

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// writeTimeout bounds one write of the user database.
const writeTimeout = 10 * time.Second

// database is turnserver's user database, which it asks for the shared secrets whenever
// somebody logs in. It is written by SQLite's own program, which Debian's coturn depends
// on; the secrets reach it by its standard input.
type database struct {
	path    string
	program string
	realm   string
}

// write makes secrets the ones that are taken, all at once.
func (d database) write(ctx context.Context, secrets ...string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	var sql strings.Builder
	// turnserver reads while this writes. The table is the one it would make itself.
	sql.WriteString(".bail on\n.timeout 5000\n" +
		"CREATE TABLE IF NOT EXISTS turn_secret (realm varchar(127) default '', value varchar(127), primary key (realm,value));\n" +
		"BEGIN IMMEDIATE;\nDELETE FROM turn_secret;\n")
	for _, s := range secrets {
		fmt.Fprintf(&sql, "INSERT OR IGNORE INTO turn_secret VALUES(%s,%s);\n", quote(d.realm), quote(s))
	}
	sql.WriteString("COMMIT;\n")

	cmd := exec.CommandContext(ctx, d.program, "-batch", "-init", os.DevNull, d.path)
	cmd.Stdin = strings.NewReader(sql.String())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(errs.String())
		for _, s := range secrets {
			said = strings.ReplaceAll(said, s, "…")
		}
		return fmt.Errorf("write the user database %s: %w: %s", d.path, err, said)
	}
	return os.Chmod(d.path, 0o600)
}
