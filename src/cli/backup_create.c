/* backup_create.c: backup create, of a partition's objects or of whole partitions. */
#include "backup_file.h"
#include "backup_seal.h"
#include "making.h"

#include "pkcs11_numbers.h"

static enum hf_err next_frame(struct maker *k, struct arena *a, struct slice *ret, bool *ret_last)
{
	struct hsm_backup_next_req hq = { 0 };
	struct hsm_backup_next_res hr = { 0 };
	struct backup_next_req q = { 0 };
	struct backup_next_res r = { 0 };

	if (k->whole)
		TRY(do_hsm_backup_next(k->c->client, 0, &hq, &hr, a));
	else
		TRY(do_backup_next(k->c->client, k->session, &q, &r, a));
	k->left_out = hr.left_out;
	k->objects = hr.objects;
	k->written = k->whole ? hr.written : r.objects;
	*ret = k->whole ? hr.frame : r.frame;
	*ret_last = k->whole ? hr.last : r.last;
	return HF_OK;
}

bool maker_fetch(struct maker *k, struct making *m)
{
	struct arena a = { 0 };
	struct slice frame;
	bool last = false;
	enum hf_err e;

	do {
		arena_reset(&a);
		e = next_frame(k, &a, &frame, &last);
		if (e != HF_OK)
			(void)cli_fail("backup", e);
	} while (e == HF_OK && making_put(m, frame) && !last);
	arena_done(&a);
	return e == HF_OK && last;
}

bool cli_chosen(struct cli *c, uint64_t session, struct u64_list *ret)
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

/* struct begun is what the HSM says of a backup that began. */
struct begun {
	struct slice header;
	json_t *told; /* owned by whoever prints it */
};

static bool begin_objects(struct maker *k, struct slice base, struct begun *ret)
{
	struct backup_begin_req q = { .base = base };
	struct backup_begin_res r;
	enum hf_err e;

	if (!cli_session(k->c, false, &k->session) || !cli_chosen(k->c, k->session, &q.objects) ||
	    !cli_recipients(k->c, &q.to))
		return false;
	e = do_backup_begin(k->c->client, k->session, &q, &r, &k->c->arena);
	if (e != HF_OK) {
		(void)cli_fail("backup", e);
		return false;
	}
	ret->header = r.header;
	ret->told = json_pack("{s:I, s:I}", "objects", (json_int_t)r.objects, "left out (stateful keys)",
		(json_int_t)r.left_out);
	return true;
}

static json_t *tell_partitions(const struct hsm_backup_begin_res *r)
{
	json_t *in = json_array(), *out = json_array();

	for (size_t i = 0; i < r->partitions.n; i++)
		json_array_append_new(r->partitions.v[i].outcome == 0 ? in : out,
			json_slice(r->partitions.v[i].label));
	return json_pack("{s:o, s:o}", "partitions", in, "left out (policy backup)", out);
}

static bool begin_whole(struct maker *k, struct slice base, struct begun *ret)
{
	struct hsm_backup_begin_req q = { .base = base };
	struct hsm_backup_begin_res r;
	struct partition_info p;
	enum hf_err e;

	if (k->c->opt[OPT_PARTITION] != NULL) {
		if (!cli_partition(k->c, k->c->opt[OPT_PARTITION], &p))
			return false;
		q.serial = p.serial;
	}
	if (!cli_recipients(k->c, &q.to))
		return false;
	e = do_hsm_backup_begin(k->c->client, 0, &q, &r, &k->c->arena);
	if (e != HF_OK) {
		(void)cli_fail("backup", e);
		return false;
	}
	ret->header = r.header;
	ret->told = tell_partitions(&r);
	return true;
}

static bool give_base_frame(const struct maker *k, struct slice frame, bool *ret_last)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct hsm_backup_base_req hq = { .frame = frame };
	struct hsm_backup_base_res hr = { 0 };
	struct backup_base_req q = { .frame = frame };
	struct backup_base_res r = { 0 };
	enum hf_err e = k->whole ? do_hsm_backup_base(k->c->client, 0, &hq, &hr, &a) :
		do_backup_base(k->c->client, k->session, &q, &r, &a);

	if (e != HF_OK)
		(void)cli_fail("the backup to build on", e);
	*ret_last = k->whole ? hr.last : r.last;
	return e == HF_OK;
}

/* give_base hands over the index in front of the backup to build on. */
static bool give_base(const struct maker *k, struct backup_file *base)
{
	bool last = base->path == NULL;

	while (!last)
		if (!backup_file_next(base) || !give_base_frame(k, buf_slice(&base->raw), &last))
			return false;
	return true;
}

static bool make(struct maker *k, struct backup_file *base, struct making *m, json_t **ret_told)
{
	struct slice header = buf_slice(&base->head_raw);
	struct begun b = { 0 };

	if (!(k->whole ? begin_whole(k, header, &b) : begin_objects(k, header, &b)))
		return false;
	*ret_told = b.told;
	return give_base(k, base) && making_put(m, b.header) && maker_fetch(k, m);
}

bool backup_write(struct cli *c, const char *path, json_t **ret_told)
{
	CLEANUP(backup_file_done) struct backup_file base = { 0 };
	struct maker k = { .c = c, .whole = c->opt[OPT_WHOLE] != NULL };
	json_t *told = NULL;
	struct making m;
	bool ok;

	if ((c->opt[OPT_BASE] != NULL && !backup_file_open(c->opt[OPT_BASE], &base)) ||
	    !making_open(path, &m))
		return false;
	ok = make(&k, &base, &m, &told) && making_finish(&m);
	making_close(&m, ok);
	if (!ok) {
		json_decref(told);
		return false;
	}
	if (k.whole) {
		json_object_set_new(told, "objects", json_integer((json_int_t)k.objects));
		json_object_set_new(told, "left out (stateful keys)", json_integer((json_int_t)k.left_out));
	}
	json_object_set_new(told, "objects in this file", json_integer((json_int_t)k.written));
	json_object_set_new(told, "bytes", json_integer((json_int_t)m.bytes));
	*ret_told = told;
	return true;
}

int cmd_backup_create(struct cli *c)
{
	json_t *told = NULL;

	if (!backup_write(c, c->args[0], &told))
		return EXIT_FAILED;
	json_object_set_new(told, "backup", json_string(c->args[0]));
	cli_print(c, told);
	return EXIT_DONE;
}
