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

// tables are turnserver's own (dbd_sqlite.c, init_sqlite_database). They are made beforehand,
// because turnserver's threads would make them while others authenticate clients, and refuse
// those while the database is locked.
const tables = `CREATE TABLE IF NOT EXISTS turnusers_lt (realm varchar(127) default '', name varchar(512), hmackey char(128),
  PRIMARY KEY (realm,name));
CREATE TABLE IF NOT EXISTS turn_secret (realm varchar(127) default '', value varchar(127), primary key (realm,value));
CREATE TABLE IF NOT EXISTS allowed_peer_ip (realm varchar(127) default '', ip_range varchar(256), primary key (realm,ip_range));
CREATE TABLE IF NOT EXISTS denied_peer_ip (realm varchar(127) default '', ip_range varchar(256), primary key (realm,ip_range));
CREATE TABLE IF NOT EXISTS turn_origin_to_realm (origin varchar(127), realm varchar(127), primary key (origin));
CREATE TABLE IF NOT EXISTS turn_realm_option (realm varchar(127) default '', opt varchar(32), value varchar(128), primary key (realm,opt));
CREATE TABLE IF NOT EXISTS oauth_key (kid varchar(128), ikm_key varchar(256),
  timestamp bigint default 0, lifetime integer default 0, as_rs_alg varchar(64) default '',
  realm varchar(127) default '', primary key (kid));
CREATE TABLE IF NOT EXISTS admin_user (name varchar(32), realm varchar(127), password varchar(127), primary key (name));
`

// writeTimeout bounds one write of the user database.
const writeTimeout = 10 * time.Second

// database is turnserver's user database, from which it reads the shared secrets at each
// authentication. SQLite's own program writes it, which Debian's coturn depends on; the
// secrets go through its standard input.
type database struct {
	path    string
	program string
	realm   string
}

// write replaces the secrets that are accepted, in one transaction.
func (d database) write(ctx context.Context, secrets ...string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	var sql strings.Builder
	// turnserver does not wait for a lock: a write-ahead log keeps writers out of readers' way.
	sql.WriteString(".bail on\n.timeout 5000\nPRAGMA journal_mode=WAL;\n" + tables + "BEGIN IMMEDIATE;\nDELETE FROM turn_secret;\n")
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
