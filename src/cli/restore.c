/* restore.c: backup restore, list. First the whole file goes through the vault dry, so that
 * nothing is restored of one that is damaged or that collides; then in earnest. */
#include "backup_file.h"
#include "backup_seal.h"
#include "receive.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "pkcs11_numbers.h"

static const char *const rules[] = { "fail", "skip", "replace", "rename" };
static const char *const outcomes[] = { "new", "same", "replaced", "renamed", "kept",
	"kept: what is there may do less", "left out: stateful", "differs", "left out: policy" };
#define OUTCOMES (sizeof(outcomes) / sizeof(outcomes[0]))
#define SKIP 1u
#define REPLACE 2u
#define RENAMED 3u
#define DIFFERS 7u

#define FILES 64u

/* struct clash: the first of a backup that is here already and differs. */
struct clash {
	bool found;
	uint64_t class;  /* of an object */
	char label[256];
	char id[33];     /* an object's unique id, or a partition's serial number */
};

/* struct restore is one run: a backup, and behind it those that it was built on. */
struct restore {
	struct backup_file b;
	char **paths;
	size_t files, at;
	struct slice pass;
	struct opener_list keys[FILES]; /* of each file, got in the first pass */
	uint8_t collision;
	bool whole, rehearse; /* by the HSM, not in a session */
	char only[17];        /* serial number of the partition of --partition; "": all */
	char called[33];      /* the label that the last renamed one got */
	char full[129];       /* the limit that leaves no room for all of it; empty: none */
	bool looking;         /* for those that --partition names */
	size_t named;         /* that many there are */
	struct attr_list match; /* objects */
	FILE *clone;          /* it is one; NULL: a backup */
	uint64_t session;
	uint64_t count[OUTCOMES];
	struct clash clash;
	json_t *list; /* NULL: only counts are wanted */
};

static void restore_done(struct restore *r)
{
	backup_file_done(&r->b);
	json_decref(r->list);
}

static bool rule_of(struct cli *c, uint8_t *ret)
{
	const char *s = c->opt[OPT_COLLISION];

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(s == NULL ? rules[0] : s, rules[i]) == 0) {
			*ret = (uint8_t)i;
			return true;
		}
	(void)cli_usage("--on-collision is fail, skip, replace or rename, not '%s'", s);
	return false;
}

static void note_label(struct clash *k, struct slice label)
{
	k->found = true;
	(void)snprintf(k->label, sizeof(k->label), "%.*s", (int)label.n, (const char *)label.p);
}

static void note(struct restore *r, const struct restored *o)
{
	size_t i = o->outcome < OUTCOMES ? o->outcome : DIFFERS;

	r->count[i]++;
	if (i == DIFFERS && !r->clash.found) {
		note_label(&r->clash, o->label);
		r->clash.class = o->class;
		hex_encode(o->uid, r->clash.id);
	}
	if (r->list != NULL)
		json_array_append_new(r->list, json_pack("{s:s, s:s, s:o, s:o, s:s}", "class",
			name_of_class(o->class), "type",
			o->type == UINT32_MAX ? "-" : name_of_key_type(o->type), "label",
			json_slice(o->label), "unique id", json_hex(o->uid), "here", outcomes[i]));
}

static enum hf_err give_objects(struct cli *c, struct restore *r, struct arena *a, bool *ret_last)
{
	struct restore_next_req q = { .frame = buf_slice(&r->b.raw) };
	struct restore_next_res s = { 0 };

	TRY(do_restore_next(c->client, r->session, &q, &s, a));
	for (size_t i = 0; i < s.objects.n; i++)
		note(r, &s.objects.v[i]);
	(void)snprintf(r->full, sizeof(r->full), "%.*s", (int)s.full.n, (const char *)s.full.p);
	*ret_last = s.last;
	return HF_OK;
}

static void note_partition(struct restore *r, const struct backed *p)
{
	size_t i = p->outcome < OUTCOMES ? p->outcome : DIFFERS;
	json_t *o;

	r->count[i]++;
	if (i == RENAMED)
		(void)snprintf(r->called, sizeof(r->called), "%.*s", (int)p->label.n,
			(const char *)p->label.p);
	if (i == DIFFERS && !r->clash.found) {
		note_label(&r->clash, p->label);
		(void)snprintf(r->clash.id, sizeof(r->clash.id), "%.*s", (int)p->serial.n,
			(const char *)p->serial.p);
	}
	if (r->list == NULL)
		return;
	o = json_pack("{s:o, s:o, s:I}", "partition", json_slice(p->label), "serial", json_slice(p->serial),
		"objects", (json_int_t)p->objects);
	if (!r->rehearse)
		json_object_set_new(o, "here", json_string(outcomes[i]));
	json_array_append_new(r->list, o);
}

/* note_named looks whether it is the one of --partition. */
static void note_named(struct cli *c, struct restore *r, const struct backed *p)
{
	struct slice name = slice_str(c->opt[OPT_PARTITION]);

	if (!slice_eq(p->serial, name) && !slice_eq(p->label, name))
		return;
	r->named++;
	(void)snprintf(r->only, sizeof(r->only), "%.*s", (int)p->serial.n, (const char *)p->serial.p);
}

static enum hf_err give_records(struct cli *c, struct restore *r, struct arena *a, bool *ret_last)
{
	struct hsm_restore_next_req q = { .frame = buf_slice(&r->b.raw) };
	struct hsm_restore_next_res s = { 0 };

	TRY(do_hsm_restore_next(c->client, 0, &q, &s, a));
	for (size_t i = 0; i < s.partitions.n; i++)
		(r->looking ? note_named(c, r, &s.partitions.v[i]) : note_partition(r, &s.partitions.v[i]));
	*ret_last = s.last;
	return HF_OK;
}

static bool give_frame(struct cli *c, struct restore *r, bool *ret_last)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	enum hf_err e = r->whole ? give_records(c, r, &a, ret_last) : give_objects(c, r, &a, ret_last);

	if (e != HF_OK)
		(void)cli_fail(r->b.path, e);
	return e == HF_OK;
}

/* open_file opens the next file of the chain. */
static bool open_file(struct cli *c, struct restore *r, size_t at)
{
	if (at > 0 && r->b.head.base.n == 0) {
		cli_usage("%s builds on nothing, so no other stands behind it: name the newest first",
			r->paths[at - 1]);
		return false;
	}
	backup_file_done(&r->b);
	r->at = at;
	if (r->clone != NULL)
		return backup_file_from(r->clone, r->paths[0], &r->b);
	if (!backup_file_open(r->paths[at], &r->b))
		return false;
	if (at + 1 == r->files && r->b.head.base.n != 0) {
		cli_usage("%s builds on another backup: name that one behind it ('holdfast backup inspect')",
			r->b.path);
		return false;
	}
	return r->keys[at].v != NULL || cli_openers(c, &r->b.head, &r->pass, &r->keys[at]);
}

static enum hf_err begin_objects(struct cli *c, struct restore *r, bool dry)
{
	struct slice header = buf_slice(&r->b.head_raw);
	struct restore_begin_req q = { header, r->keys[r->at], r->collision, dry, r->match };
	struct restore_base_req base = { header, r->keys[r->at] };
	struct clone_take_req clone = { header, r->collision, dry };
	struct clone_take_res u;
	struct restore_begin_res s;
	struct restore_base_res t;

	if (r->clone != NULL)
		return do_clone_take(c->client, r->session, &clone, &u, &c->arena);
	if (r->at == 0)
		return do_restore_begin(c->client, r->session, &q, &s, &c->arena);
	return do_restore_base(c->client, r->session, &base, &t, &c->arena);
}

/* mode: enum restore_mode of the module. */
static enum hf_err begin_records(struct cli *c, struct restore *r, bool dry)
{
	struct slice header = buf_slice(&r->b.head_raw);
	struct hsm_restore_begin_req q = { header, r->keys[r->at], r->collision,
		r->rehearse ? 2 : dry, r->looking ? SLICE_NONE : slice_str(r->only) };
	struct hsm_restore_base_req base = { header, r->keys[r->at] };
	struct hsm_restore_begin_res s;
	struct hsm_restore_base_res t;

	if (r->at == 0)
		return do_hsm_restore_begin(c->client, 0, &q, &s, &c->arena);
	return do_hsm_restore_base(c->client, 0, &base, &t, &c->arena);
}

static bool pass_file(struct cli *c, struct restore *r, bool dry)
{
	enum hf_err e = r->whole ? begin_records(c, r, dry) : begin_objects(c, r, dry);
	bool last = false;

	if (e != HF_OK)
		(void)cli_fail(r->b.path, e);
	while (e == HF_OK && !last)
		if (!backup_file_next(&r->b) || !give_frame(c, r, &last))
			return false;
	return e == HF_OK && backup_file_over(&r->b);
}

/* pass takes the whole chain through the vault once. */
static bool pass(struct cli *c, struct restore *r, bool dry)
{
	memset(r->count, 0, sizeof(r->count));
	for (size_t i = 0; i < r->files; i++)
		if (!open_file(c, r, i) || !pass_file(c, r, dry))
			return false;
	return true;
}

static bool may_be_whole(struct cli *c, const struct restore *r)
{
	if (r->collision == REPLACE)
		cli_usage("a partition that is there is never replaced: delete it first ('holdfast partition "
			"delete'), or restore the backup to another HSM; --on-collision skip leaves it as "
			"it is, and rename is for one of which only the label is taken");
	else if (c->opt[OPT_LABEL] != NULL || c->opt[OPT_ID] != NULL || c->opt[OPT_CLASS] != NULL)
		cli_usage("%s is of whole partitions: --partition NAME restores one of them, and "
			"--label, --id and --class choose objects of other backups", r->b.path);
	else
		return true;
	return false;
}

/* begin opens the chain; what it is of says by whom it is restored. */
static bool begin(struct cli *c, struct restore *r)
{
	r->paths = c->args;
	r->files = (size_t)c->arg_count;
	if (r->files > FILES) {
		cli_usage("a chain of more than %u backups; make a whole one", FILES);
		return false;
	}
	if (!open_file(c, r, 0))
		return false;
	r->whole = r->rehearse || r->b.head.scope == BACKUP_OF_PARTITIONS;
	return r->whole ? may_be_whole(c, r) : cli_session(c, true, &r->session);
}

static void report(struct cli *c, const struct restore *r, bool dry)
{
	json_t *o = json_pack("{s:s, s:b}", r->clone != NULL ? "clone" : "backup", r->paths[0], "dry run",
		(int)dry);

	for (size_t i = 0; i < OUTCOMES; i++)
		if (r->count[i] != 0)
			json_object_set_new(o, outcomes[i], json_integer((json_int_t)r->count[i]));
	if (json_object_size(o) == 2)
		json_object_set_new(o, outcomes[0], json_integer(0));
	if (r->called[0] != '\0')
		json_object_set_new(o, "called", json_string(r->called));
	cli_print(c, o);
}

/* look finds the serial number of the partition that --partition names. */
static bool look(struct cli *c, struct restore *r)
{
	uint8_t rule = r->collision;
	bool ok;

	if (!r->whole || c->opt[OPT_PARTITION] == NULL)
		return true;
	r->collision = SKIP;
	r->looking = true;
	ok = pass(c, r, true);
	r->looking = false;
	r->collision = rule;
	if (ok && r->named != 1)
		cli_usage(r->named == 0 ? "%s has no partition '%s' ('holdfast backup list')" :
			"%s has several partitions '%s': say the serial number of one", r->paths[0],
			c->opt[OPT_PARTITION]);
	return ok && r->named == 1;
}

/* stopped: frames that went before the error were restored for good. */
static int stopped(const struct restore *r)
{
	uint64_t done = r->count[0] + r->count[2] + r->count[RENAMED];

	if (r->whole)
		fprintf(stderr, "holdfast: partitions that were not complete are not there; say the command "
			"again when that is mended\n");
	else
		fprintf(stderr, "holdfast: %" PRIu64 " objects had been restored before, and stay; say the "
			"command again when that is mended, and it goes on with the rest\n", done);
	return EXIT_FAILED;
}

static int tell_object(const struct restore *r)
{
	fprintf(stderr, "holdfast: the first that differs: %s '", name_of_class(r->clash.class));
	cli_put(slice_str(r->clash.label), stderr);
	fprintf(stderr, "', unique id %s\n", r->clash.id);
	return cli_fail(r->paths[0], HF_E_BACKUP_COLLISION);
}

/* tell_partition: a label that another one has can be changed, a serial number cannot. */
static int tell_partition(struct cli *c, const struct restore *r)
{
	const struct partition_list_req q = { 0 };
	struct partition_list_res s = { 0 };
	struct slice other = SLICE_NONE;

	if (do_partition_list(c->client, 0, &q, &s, &c->arena) != HF_OK)
		return cli_fail(r->paths[0], HF_E_BACKUP_COLLISION);
	for (size_t i = 0; i < s.partitions.n; i++) {
		const struct partition_info *p = &s.partitions.v[i];

		if (slice_eq(p->serial, slice_str(r->clash.id))) {
			(void)cli_usage("%s: partition %s is there and differs. It is never replaced, nor "
				"renamed: delete it ('holdfast partition delete %s') and restore it "
				"('--partition %s'), leave it as it is with '--on-collision skip', or "
				"restore the backup to another HSM", r->paths[0], r->clash.id, r->clash.id,
				r->clash.id);
			return EXIT_FAILED;
		}
		if (slice_eq(p->label, slice_str(r->clash.label)))
			other = p->serial;
	}
	if (other.n == 0)
		return cli_fail(r->paths[0], HF_E_BACKUP_COLLISION);
	fputs("holdfast: the label '", stderr);
	cli_put(slice_str(r->clash.label), stderr);
	fprintf(stderr, "' is that of another partition here, %.*s: '--on-collision rename' gives "
		"that of the backup a label that is free\n", (int)other.n, (const char *)other.p);
	return cli_fail(r->paths[0], HF_E_BACKUP_COLLISION);
}

static bool is_none(const struct restore *r)
{
	uint64_t all = 0;

	for (size_t i = 0; i < OUTCOMES; i++)
		all += r->count[i];
	return all == 0 && r->match.n > 0;
}

/* both_passes: dry first; nothing is restored of what is damaged or collides. */
static int both_passes(struct cli *c, struct restore *r)
{
	bool dry = c->opt[OPT_DRY_RUN] != NULL;

	if (!pass(c, r, true))
		return EXIT_FAILED;
	if (is_none(r)) {
		(void)cli_usage("no object of the backup matches");
		return EXIT_FAILED;
	}
	if (r->count[DIFFERS] != 0) {
		report(c, r, true);
		return r->whole ? tell_partition(c, r) : tell_object(r);
	}
	if (r->full[0] != '\0') {
		(void)cli_usage("there is no room for all of it: %s; nothing was restored", r->full);
		return cli_fail(r->paths[0], HF_E_LIMIT);
	}
	if (!dry && !pass(c, r, false))
		return stopped(r);
	report(c, r, dry);
	return EXIT_DONE;
}

static bool match_of(struct cli *c, struct attr_list *ret)
{
	if (c->opt[OPT_LABEL] == NULL && c->opt[OPT_ID] == NULL && c->opt[OPT_CLASS] == NULL)
		return true;
	*ret = cli_template(c, NULL, 0);
	return ret->n > 0;
}

int cmd_backup_restore(struct cli *c)
{
	CLEANUP(restore_done) struct restore r = { 0 };

	if (!rule_of(c, &r.collision) || !match_of(c, &r.match))
		return EXIT_USAGE;
	return begin(c, &r) && look(c, &r) ? both_passes(c, &r) : EXIT_FAILED;
}

int cli_receive(struct cli *c, uint64_t session, FILE *f)
{
	static char name[] = "the clone", *names[] = { name };
	CLEANUP(restore_done) struct restore r = { .clone = f, .session = session, .paths = names,
		.files = 1 };

	return rule_of(c, &r.collision) ? both_passes(c, &r) : EXIT_USAGE;
}

/* What comes through a pipe is kept, as it is read twice; it is sealed. */
static FILE *spooled(void)
{
	FILE *f = tmpfile();
	char part[65536];
	size_t n;

	while (f != NULL && (n = fread(part, 1, sizeof(part), stdin)) > 0)
		if (fwrite(part, 1, n, f) != n) {
			(void)fclose(f);
			f = NULL;
		}
	if (f != NULL && fflush(f) == 0)
		return f;
	(void)cli_usage("no temporary file can be written: %s", strerror(errno));
	return NULL;
}

int cmd_partition_receive(struct cli *c)
{
	bool piped = c->arg_count == 1 || strcmp(c->args[1], "-") == 0;
	FILE *f = piped ? spooled() : fopen(c->args[1], "rb");
	uint64_t session;
	int code;

	if (f == NULL)
		return piped ? EXIT_FAILED : cli_usage("%s: %s", c->args[1], strerror(errno));
	c->opt[OPT_PARTITION] = c->args[0];
	code = cli_session(c, true, &session) ? cli_receive(c, session, f) : EXIT_FAILED;
	(void)fclose(f);
	return code;
}

int cmd_backup_list(struct cli *c)
{
	CLEANUP(restore_done) struct restore r = { .list = json_array() };

	if (!begin(c, &r) || !pass(c, &r, true))
		return EXIT_FAILED;
	cli_print(c, json_incref(r.list));
	return EXIT_DONE;
}

/* --- rehearse ---------------------------------------------------------------------------- */

static json_t *json_rehearsal(const struct restore *r, const struct rehearse_res *s)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I}", "backup", r->paths[0], "keys used",
		(json_int_t)s->used, "other objects", (json_int_t)s->others, "failed", (json_int_t)s->failed);

	if (s->failed != 0)
		json_object_set_new(o, "first that failed", json_slice(s->first));
	return o;
}

static int use_keys(struct cli *c, const struct restore *r)
{
	const struct rehearse_req q = { .max = 200 };
	struct rehearse_res s = { 0 };

	while (!s.last) {
		enum hf_err e = do_rehearse(c->client, 0, &q, &s, &c->arena);

		if (e != HF_OK)
			return cli_fail("rehearsal", e);
	}
	cli_print(c, json_rehearsal(r, &s));
	return s.failed == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* Of whole partitions each record is opened, but private objects, which are under PINs. */
static int report_whole(struct cli *c, const struct restore *r)
{
	const struct rehearse_req q = { .max = 0 };
	struct rehearse_res s = { 0 };
	enum hf_err e = do_rehearse(c->client, 0, &q, &s, &c->arena);
	json_t *o = json_object();

	if (e != HF_OK) {
		json_decref(o);
		return cli_fail("rehearsal", e);
	}
	json_object_set_new(o, "backup", json_string(r->paths[0]));
	json_object_set_new(o, "records opened", json_integer((json_int_t)s.others));
	json_object_set_new(o, "partitions", json_incref(r->list));
	json_object_set_new(o, "private objects not opened", json_integer((json_int_t)s.unopened));
	if (s.unopened != 0)
		json_object_set_new(o, "why", json_string("they are under the PINs of their partitions, "
			"which a rehearsal does not have; rehearse a backup of each partition's objects"));
	cli_print(c, o);
	return EXIT_DONE;
}

int cmd_backup_rehearse(struct cli *c)
{
	CLEANUP(restore_done) struct restore r = { .rehearse = true, .collision = 1, .list = json_array() };

	if (!begin(c, &r) || !pass(c, &r, true))
		return EXIT_FAILED;
	if (r.b.head.scope == BACKUP_OF_OBJECTS)
		return use_keys(c, &r);
	return report_whole(c, &r);
}
