/* backup.c: backup create, inspect, verify. What passes through here is sealed. */
#include "backup_file.h"
#include "backup_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "pkcs11_numbers.h"

/* --- create ------------------------------------------------------------------------- */

/* struct making is a file that is not there under its name until it is whole. */
struct making {
	const char *path;
	char part[4096];
	int fd;
	uint64_t bytes;
};

static bool say_errno(const char *path)
{
	(void)cli_usage("%s: %s; no backup was made", path, strerror(errno));
	return false;
}

static bool making_open(const char *path, struct making *m)
{
	m->path = path;
	m->fd = -1;
	if ((size_t)snprintf(m->part, sizeof(m->part), "%s.part", path) >= sizeof(m->part))
		errno = ENAMETOOLONG;
	else if (access(path, F_OK) == 0)
		errno = EEXIST;
	else
		m->fd = open(m->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	return m->fd >= 0 || say_errno(path);
}

static bool put(struct making *m, struct slice s)
{
	while (s.n > 0) {
		ssize_t n = write(m->fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return say_errno(m->part);
		s.p += n;
		s.n -= (size_t)n;
		m->bytes += (uint64_t)n;
	}
	return true;
}

/* The name is durable too: so the directory is synced. */
static bool sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[4096] = ".";
	int fd;
	bool ok;

	if (slash != NULL)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool making_finish(struct making *m)
{
	return (fsync(m->fd) == 0 && rename(m->part, m->path) == 0 && sync_directory(m->path)) ||
		say_errno(m->path);
}

static void making_close(struct making *m, bool whole)
{
	if (m->fd < 0)
		return;
	(void)close(m->fd);
	if (!whole)
		(void)unlink(m->part);
}

static bool fetch(struct cli *c, uint64_t session, struct making *m)
{
	struct backup_next_req q = { 0 };
	struct backup_next_res r = { 0 };
	struct arena a = { 0 };
	enum hf_err e;

	do {
		arena_reset(&a);
		e = do_backup_next(c->client, session, &q, &r, &a);
		if (e != HF_OK)
			(void)cli_fail("backup", e);
	} while (e == HF_OK && put(m, r.frame) && !r.last);
	arena_done(&a);
	return e == HF_OK && r.last;
}

/* chosen finds what --label, --id or --class name; without them: all. */
static bool chosen(struct cli *c, uint64_t session, struct u64_list *ret)
{
	struct attr token = { CKA_TOKEN, cli_true };
	struct attr_list t;
	enum hf_err e;

	if (!c->opt[OPT_LABEL] && !c->opt[OPT_ID] && !c->opt[OPT_CLASS])
		return true;
	t = cli_template(c, &token, 1);
	if (t.n == 0)
		return false;
	e = cli_find(c, session, t, ret);
	if (e != HF_OK)
		(void)cli_fail("finding objects", e);
	else if (ret->n == 0)
		(void)cli_usage("no object matches");
	return e == HF_OK && ret->n > 0;
}

static bool begin(struct cli *c, uint64_t session, struct slice base, struct backup_begin_res *r)
{
	struct backup_begin_req q = { .base = base };
	enum hf_err e;

	if (!chosen(c, session, &q.objects) || !cli_recipients(c, &q.to))
		return false;
	e = do_backup_begin(c->client, session, &q, r, &c->arena);
	if (e != HF_OK)
		(void)cli_fail("backup", e);
	return e == HF_OK;
}

static bool give_base_frame(struct cli *c, uint64_t session, struct slice frame, bool *ret_last)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct backup_base_req q = { .frame = frame };
	struct backup_base_res r = { 0 };
	enum hf_err e = do_backup_base(c->client, session, &q, &r, &a);

	if (e != HF_OK)
		(void)cli_fail("the backup to build on", e);
	*ret_last = r.last;
	return e == HF_OK;
}

/* give_base hands over the index in front of the backup to build on; give is by whom it goes. */
static bool give_base(struct cli *c, uint64_t session, struct backup_file *base)
{
	bool last = base->path == NULL;

	while (!last)
		if (!backup_file_next(base) ||
		    !give_base_frame(c, session, buf_slice(&base->raw), &last))
			return false;
	return true;
}

int cmd_backup_create(struct cli *c)
{
	CLEANUP(backup_file_done) struct backup_file base = { 0 };
	struct backup_begin_res r = { 0 };
	struct making m;
	uint64_t session;
	bool ok;

	if (c->opt[OPT_BASE] != NULL && !backup_file_open(c->opt[OPT_BASE], &base))
		return EXIT_FAILED;
	if (!cli_session(c, false, &session) || !begin(c, session, buf_slice(&base.head_raw), &r) ||
	    !give_base(c, session, &base) || !making_open(c->args[0], &m))
		return EXIT_FAILED;
	ok = put(&m, r.header) && fetch(c, session, &m) && making_finish(&m);
	making_close(&m, ok);
	if (!ok)
		return EXIT_FAILED;
	cli_print(c, json_pack("{s:s, s:I, s:I, s:I}", "backup", c->args[0], "objects", (json_int_t)r.objects,
		"left out (stateful keys)", (json_int_t)r.left_out, "bytes", (json_int_t)m.bytes));
	return EXIT_DONE;
}

/* --- inspect and verify ---------------------------------------------------------------- */

static json_t *json_recipient(const struct backup_recipient *r)
{
	struct backup_found f = { 0 };
	char text[BACKUP_NAME_MOST + 40];

	if (r->kind == BACKUP_TO_PASSPHRASE)
		return json_string("a passphrase");
	if (r->kind == BACKUP_TO_TOKEN)
		return json_string("a key in another token");
	if (backup_recipient_look(r, &f) != HF_OK)
		return json_string("damaged");
	snprintf(text, sizeof(text), "%s%.*s", r->kind == BACKUP_TO_MEMBER ? "in its domain: " : "",
		(int)f.card.name.n, (const char *)f.card.name.p);
	return json_string(text);
}

static json_t *json_head(const struct backup_file *b)
{
	json_t *to = json_array(), *o;
	char when[28];

	for (size_t i = 0; i < b->head.to_n; i++)
		json_array_append_new(to, json_recipient(&b->head.to[i]));
	clock_iso(b->head.created, when);
	o = json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o}", "version", (int)b->head.version, "of",
		b->head.scope == BACKUP_OF_OBJECTS ? "objects" : "whole partitions", "made", when, "HSM",
		json_slice(b->head.hsm), "partition", json_slice(b->head.label), "partition's serial number",
		json_slice(b->head.serial), "sealed to", to);
	json_object_set_new(o, "id", json_hex((struct slice){ b->head.hash, 8 }));
	if (b->head.base.n != 0)
		json_object_set_new(o, "builds on", json_hex((struct slice){ b->head.base.p, 8 }));
	return o;
}

static bool walk(struct backup_file *b)
{
	do
		if (!backup_file_next(b))
			return false;
	while (b->frame.kind != BACKUP_END);
	return backup_file_over(b);
}

int cmd_backup_inspect(struct cli *c)
{
	CLEANUP(backup_file_done) struct backup_file b;
	json_t *o;

	if (!backup_file_open(c->args[0], &b) || !walk(&b))
		return EXIT_FAILED;
	o = json_head(&b);
	json_object_set_new(o, "pieces", json_integer((json_int_t)b.chain.next));
	json_object_set_new(o, "bytes", json_integer((json_int_t)b.bytes));
	cli_print(c, o);
	return EXIT_DONE;
}

/* An HSM is asked only where what was given opens nothing. */
static enum hf_err end_key(struct cli *c, struct backup_file *b)
{
	struct opener_list keys;
	struct slice pass = SLICE_NONE;
	struct backup_opener v[2];
	struct backup_end_key_req q = { 0 };
	struct backup_end_key_res r;
	enum hf_err e;

	if (!cli_openers(c, &b->head, &pass, &keys))
		return HF_E_BACKUP_KEY;
	for (size_t i = 0; i < keys.n; i++)
		v[i] = (struct backup_opener){ .kind = keys.v[i].kind, .secret = keys.v[i].secret };
	e = backup_unlock(&b->head, v, keys.n, false, &b->chain);
	if (e != HF_E_BACKUP_KEY || keys.n != 0)
		return e;
	if (!cli_connect(c))
		return HF_E_BACKUP_KEY;
	q.header = buf_slice(&b->head_raw);
	TRY(do_backup_end_key(c->client, 0, &q, &r, &c->arena));
	return secret_dup(r.key, &b->chain.end_key);
}

int cmd_backup_verify(struct cli *c)
{
	CLEANUP(backup_file_done) struct backup_file b;
	struct backup_end end;
	enum hf_err e;
	json_t *o;

	if (!backup_file_open(c->args[0], &b) || !walk(&b))
		return EXIT_FAILED;
	e = end_key(c, &b);
	if (e == HF_OK)
		e = backup_end_check(&b.chain, &b.frame, b.before, &end);
	if (e != HF_OK)
		return cli_fail(c->args[0], e);
	o = json_head(&b);
	json_object_set_new(o, "objects", json_integer((json_int_t)end.objects));
	json_object_set_new(o, "left out (stateful keys)", json_integer((json_int_t)end.left_out));
	json_object_set_new(o, "whole", json_true());
	cli_print(c, o);
	return EXIT_DONE;
}
