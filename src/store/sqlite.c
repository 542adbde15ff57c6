/* sqlite.c: records in one SQLite file: WAL, synchronous=FULL, group commit. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "map.h"
#include "secret.h"
#include "store.h"

#define FORMAT 2 /* of the tables; counted up with a step in `migrations` */
#define WAL_KEPT "16777216" /* bytes of journal that stay after one great change */

enum statement { ST_SCAN, ST_VERSION, ST_PUT, ST_DELETE, ST_KEEP, ST_SCAN_FROZEN, ST_COUNT };

struct sqlite {
	struct store base;
	sqlite3 *db;
	sqlite3_stmt *st[ST_COUNT];
	bool frozen;
};

/* migrations[n] brings format n to n + 1; each runs in a transaction that also
 * sets the new number, so a crash leaves the one or the other. */
static const char *const migrations[FORMAT] = {
	"CREATE TABLE records("
	" name BLOB PRIMARY KEY NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL"
	") WITHOUT ROWID;",
	/* Values may have tags in front: who knows format 1 alone would take them for damaged. */
	"SELECT 1",
};

static const char *const statements[ST_COUNT] = {
	/* One bound below, so that the index leads to it: of two SQLite takes one, and reads all between
	 * them for each page. */
	[ST_SCAN] = "SELECT name, version, value FROM records WHERE name >= max(?1, ?2) AND name != ?2"
		    " ORDER BY name",
	[ST_VERSION] = "SELECT version FROM records WHERE name = ?1",
	[ST_PUT] = "INSERT OR REPLACE INTO records(name, version, value) VALUES(?1, ?2, ?3)",
	[ST_DELETE] = "DELETE FROM records WHERE name = ?1",
	/* temp.kept: records that changed since the freeze, as they were; version 0: absent. */
	[ST_KEEP] = "INSERT OR IGNORE INTO temp.kept(name, version, value) VALUES(?1,"
		    " coalesce((SELECT version FROM records WHERE name = ?1), 0),"
		    " coalesce((SELECT value FROM records WHERE name = ?1), x''))",
	[ST_SCAN_FROZEN] = "SELECT name, version, value FROM temp.kept"
			   " WHERE name >= max(?1, ?2) AND name != ?2 AND version != 0"
			   " UNION ALL SELECT name, version, value FROM main.records"
			   " WHERE name >= max(?1, ?2) AND name != ?2"
			   " AND NOT EXISTS(SELECT 1 FROM temp.kept AS k WHERE k.name = main.records.name)"
			   " ORDER BY name",
};

static struct sqlite *sqlite_of(struct store *s)
{
	return container_of(s, struct sqlite, base);
}

/* complain says what failed and, where it will not mend itself, what to do. */
static void complain(struct sqlite *q, const char *doing)
{
	int rc = sqlite3_errcode(q->db);
	const char *path = sqlite3_db_filename(q->db, "main"), *slash, *hint = "";

	slash = path == NULL ? NULL : strrchr(path, '/');
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
		hint = "; the file is damaged: put the last backup of the data directory in its place";
	else if (rc == SQLITE_BUSY)
		hint = " by another process";
	log_error("store: %s: %s: %s%s", slash == NULL ? "store.db" : slash + 1, doing,
		sqlite3_errmsg(q->db), hint);
}

/* execute runs SQL without results. */
static bool execute(struct sqlite *q, const char *sql)
{
	return sqlite3_exec(q->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* run is execute at the opening. */
static bool run(struct sqlite *q, const char *sql)
{
	if (execute(q, sql))
		return true;
	complain(q, "opening");
	return false;
}

static int bind(sqlite3_stmt *st, int at, struct slice s)
{
	return sqlite3_bind_blob64(st, at, s.n ? (const void *)s.p : "", s.n, SQLITE_STATIC);
}

static struct slice column(sqlite3_stmt *st, int at)
{
	return (struct slice){ sqlite3_column_blob(st, at), (size_t)sqlite3_column_bytes(st, at) };
}

static enum hf_err scan_by(struct sqlite *q, sqlite3_stmt *st, const struct slice from[2],
	store_visit visit, void *ctx)
{
	struct slice prefix = from[0];
	int rc = SQLITE_DONE;

	sqlite3_reset(st);
	if (bind(st, 1, prefix) != SQLITE_OK || bind(st, 2, from[1]) != SQLITE_OK)
		return HF_E_STORE;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct slice name = column(st, 0);

		if (name.n < prefix.n || !slice_eq((struct slice){ name.p, prefix.n }, prefix))
			break;
		if (!visit(ctx, name, (uint64_t)sqlite3_column_int64(st, 1), column(st, 2)))
			break;
	}
	sqlite3_reset(st);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
		complain(q, "reading");
		return HF_E_STORE;
	}
	return HF_OK;
}

static enum hf_err sqlite_scan(struct store *s, struct slice prefix, struct slice after,
	store_visit visit, void *ctx)
{
	struct sqlite *q = sqlite_of(s);

	return scan_by(q, q->st[ST_SCAN], (const struct slice[]){ prefix, after }, visit, ctx);
}

static enum hf_err sqlite_scan_frozen(struct store *s, struct slice prefix, struct slice after,
	store_visit visit, void *ctx)
{
	struct sqlite *q = sqlite_of(s);

	if (!q->frozen)
		return HF_E_OP_LOST;
	return scan_by(q, q->st[ST_SCAN_FROZEN], (const struct slice[]){ prefix, after }, visit, ctx);
}

static enum hf_err sqlite_freeze(struct store *s, bool on)
{
	struct sqlite *q = sqlite_of(s);

	q->frozen = false;
	if (!execute(q, "DELETE FROM temp.kept")) {
		complain(q, "freezing");
		return HF_E_STORE;
	}
	q->frozen = on;
	return HF_OK;
}

static enum hf_err version_of(struct sqlite *q, struct slice name, uint64_t *ret)
{
	sqlite3_stmt *st = q->st[ST_VERSION];
	int rc;

	sqlite3_reset(st);
	if (bind(st, 1, name) != SQLITE_OK)
		return HF_E_STORE;
	rc = sqlite3_step(st);
	*ret = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? HF_OK : HF_E_STORE;
}

static enum hf_err keep(struct sqlite *q, struct slice name)
{
	sqlite3_stmt *st = q->st[ST_KEEP];
	int rc;

	if (!q->frozen)
		return HF_OK;
	sqlite3_reset(st);
	rc = bind(st, 1, name) != SQLITE_OK ? SQLITE_ERROR : sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? HF_OK : HF_E_STORE;
}

static enum hf_err apply(struct sqlite *q, const struct store_change *c)
{
	sqlite3_stmt *st = q->st[c->version != 0 ? ST_PUT : ST_DELETE];
	int rc;

	sqlite3_reset(st);
	if (bind(st, 1, c->name) != SQLITE_OK)
		return HF_E_STORE;
	if (c->version != 0 && (sqlite3_bind_int64(st, 2, (sqlite3_int64)c->version) != SQLITE_OK ||
				       bind(st, 3, c->value) != SQLITE_OK))
		return HF_E_STORE;
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? HF_OK : HF_E_STORE;
}

static enum hf_err commit_one(struct sqlite *q, const struct store_batch *b)
{
	uint64_t version;

	for (size_t i = 0; i < b->n; i++) {
		TRY(version_of(q, b->v[i].name, &version));
		if (version != b->v[i].expect)
			return HF_E_CONFLICT;
	}
	for (size_t i = 0; i < b->n; i++) {
		TRY(keep(q, b->v[i].name));
		TRY(apply(q, &b->v[i]));
	}
	return HF_OK;
}

/* A batch is checked before its first change, so HF_E_CONFLICT needs no undoing;
 * any other failure takes the whole group back. */
static void sqlite_commit(struct store *s, const struct store_batch *batches, size_t n,
	enum hf_err *ret)
{
	struct sqlite *q = sqlite_of(s);
	bool ok = execute(q, "BEGIN IMMEDIATE");

	for (size_t i = 0; i < n && ok; i++) {
		ret[i] = commit_one(q, &batches[i]);
		ok = ret[i] == HF_OK || ret[i] == HF_E_CONFLICT;
	}
	if (ok && execute(q, "COMMIT"))
		return;
	complain(q, "writing");
	if (!sqlite3_get_autocommit(q->db))
		(void)execute(q, "ROLLBACK");
	for (size_t i = 0; i < n; i++)
		ret[i] = HF_E_STORE;
}

/* --- purging: what was replaced leaves no copy -------------------------------------- */

/* Zeros over the whole journal, whose every page is in the database by now: a crash leaves
 * a journal without a head, which counts as none. */
static bool overwrite(sqlite3_file *f)
{
	static const uint8_t zero[65536];
	sqlite3_int64 size = 0;

	if (f->pMethods->xFileSize(f, &size) != SQLITE_OK)
		return false;
	for (sqlite3_int64 at = 0; at < size; at += (sqlite3_int64)sizeof(zero)) {
		sqlite3_int64 left = size - at;
		int n = left < (sqlite3_int64)sizeof(zero) ? (int)left : (int)sizeof(zero);

		if (f->pMethods->xWrite(f, zero, n, at) != SQLITE_OK)
			return false;
	}
	return f->pMethods->xSync(f, SQLITE_SYNC_FULL) == SQLITE_OK;
}

static bool checkpoint(struct sqlite *q, int mode)
{
	int pages = -1, moved = -1;

	return sqlite3_wal_checkpoint_v2(q->db, "main", mode, &pages, &moved) == SQLITE_OK && pages == moved;
}

static enum hf_err sqlite_purge(struct store *s)
{
	struct sqlite *q = sqlite_of(s);
	sqlite3_file *wal = NULL;

	if (checkpoint(q, SQLITE_CHECKPOINT_FULL) &&
	    sqlite3_file_control(q->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK &&
	    (wal == NULL || wal->pMethods == NULL || overwrite(wal)) &&
	    checkpoint(q, SQLITE_CHECKPOINT_TRUNCATE))
		return HF_OK;
	complain(q, "purging");
	return HF_E_STORE;
}

static void sqlite_close(struct store *s)
{
	struct sqlite *q = sqlite_of(s);

	for (size_t i = 0; i < ST_COUNT; i++)
		sqlite3_finalize(q->st[i]);
	sqlite3_close(q->db);
	hf_free(q);
}

/* ask runs a PRAGMA and copies its one answer. */
static bool ask(struct sqlite *q, const char *sql, char *out, size_t size)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) == SQLITE_OK &&
		  sqlite3_step(st) == SQLITE_ROW;

	if (ok)
		(void)snprintf(out, size, "%s", (const char *)sqlite3_column_text(st, 0));
	else
		complain(q, "opening");
	sqlite3_finalize(st);
	return ok;
}

static enum hf_err format_of(struct sqlite *q, int *ret)
{
	char text[16];

	if (!ask(q, "PRAGMA user_version", text, sizeof(text)))
		return HF_E_STORE;
	*ret = (int)strtol(text, NULL, 10);
	if (*ret >= 0 && *ret <= FORMAT)
		return HF_OK;
	log_error("store: its format is %d and this program knows formats up to %d; "
		  "use the newer holdfastd that wrote it", *ret, FORMAT);
	return HF_E_STORE;
}

static enum hf_err migrate(struct sqlite *q, int n)
{
	char set[64];

	if (n > 0 && n < FORMAT)
		log_notice("store: its format %d is brought to %d", n, FORMAT);
	for (; n < FORMAT; n++) {
		(void)snprintf(set, sizeof(set), "PRAGMA user_version = %d", n + 1);
		if (!run(q, "BEGIN IMMEDIATE") || !run(q, migrations[n]) || !run(q, set) ||
		    !run(q, "COMMIT"))
			return HF_E_STORE;
	}
	return HF_OK;
}

/* EXCLUSIVE: one keeper owns the file, and WAL then needs no shared memory file.
 * The format is looked at before anything is written. */
static enum hf_err prepare(struct sqlite *q)
{
	char mode[16];
	int format;

	if (!run(q, "PRAGMA locking_mode = EXCLUSIVE") || !run(q, "PRAGMA temp_store = MEMORY") ||
	    !run(q, "PRAGMA synchronous = FULL") || !run(q, "PRAGMA secure_delete = ON"))
		return HF_E_STORE;
	TRY(format_of(q, &format));
	if (!ask(q, "PRAGMA journal_mode = WAL", mode, sizeof(mode)))
		return HF_E_STORE;
	if (strcmp(mode, "wal") != 0) {
		log_error("store: the journal cannot be of mode WAL here, only %s", mode);
		return HF_E_STORE;
	}
	if (!run(q, "PRAGMA journal_size_limit = " WAL_KEPT))
		return HF_E_STORE;
	TRY(migrate(q, format));
	if (!run(q, "CREATE TEMP TABLE kept("
		" name BLOB PRIMARY KEY NOT NULL, version INTEGER NOT NULL, value BLOB NOT NULL"
		") WITHOUT ROWID"))
		return HF_E_STORE;
	for (size_t i = 0; i < ST_COUNT; i++)
		if (sqlite3_prepare_v3(q->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
			    &q->st[i], NULL) != SQLITE_OK) {
			complain(q, "opening");
			return HF_E_STORE;
		}
	return HF_OK;
}

enum hf_err store_sqlite(int dirfd, const char *name, struct store **ret)
{
	static const struct store_ops ops = { sqlite_scan, sqlite_commit, sqlite_freeze,
		sqlite_scan_frozen, sqlite_purge, sqlite_close };
	struct sqlite *q = hf_alloc(1, sizeof(*q));
	char path[320]; /* NAME_MAX and what stands before it */
	enum hf_err e = HF_E_STORE;
	mode_t old;

	if (q == NULL)
		return HF_E_MEMORY;
	q->base.ops = &ops;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	old = umask(0077);
	if (sqlite3_open_v2(path, &q->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK)
		e = prepare(q);
	else
		complain(q, "opening");
	umask(old);
	if (e != HF_OK) {
		sqlite_close(&q->base);
		return e;
	}
	*ret = &q->base;
	return HF_OK;
}
