/* softhsm.c: softhsm list, import: a SoftHSM 2 token's directory, read as it lies there.
 * Its library is not needed, and keys that it would not give out come too. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto.h"
#include "incoming.h"
#include "keyfile.h"
#include "pkcs11_numbers.h"
#include "softhsm_file.h"

#define OBJECTS_MAX 1000000u
#define TEMPLATES_MAX ((size_t)64 << 10)

/* struct soft_token is an open one. */
struct soft_token {
	struct cli *c;
	const char *dir;
	char label[33];
	struct secret pin, key;
	struct incoming_list objects;
};

static void token_done(struct soft_token *t)
{
	secret_done(&t->pin);
	secret_done(&t->key);
}

/* failed says what is wrong and returns false. */
static bool failed(const char *what, enum hf_err e)
{
	(void)cli_fail(what, e);
	return false;
}

/* --- files ------------------------------------------------------------------ */

static bool read_file(const struct soft_token *t, const char *name, struct buf *ret)
{
	CLEANUP(buf_done) struct buf path = BUF_MAX(PATH_MAX);
	uint8_t *p = NULL;
	struct stat st;
	FILE *f;
	size_t n = 0;

	buf_raw(&path, slice_str(t->dir));
	buf_u8(&path, '/');
	buf_raw(&path, slice_str(name));
	buf_u8(&path, 0);
	f = buf_err(&path) == HF_OK ? fopen((const char *)path.p, "rbe") : NULL;
	if (f == NULL) {
		(void)cli_usage("%s/%s: %s", t->dir, name, strerror(errno));
		return false;
	}
	setbuf(f, NULL);
	*ret = BUF_MAX(SOFT_FILE_MAX);
	if (fstat(fileno(f), &st) == 0 && st.st_size > 0)
		p = buf_add(ret, (size_t)st.st_size);
	if (p != NULL)
		n = fread(p, 1, (size_t)st.st_size, f);
	(void)fclose(f);
	if (p == NULL)
		return false;
	buf_cut(ret, n);
	return true;
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

static bool open_token(struct cli *c, const char *dir, struct soft_token *ret)
{
	CLEANUP(buf_done) struct buf file = { 0 };
	struct soft_attrs *a = arena_alloc(&c->arena, 1, sizeof(*a));
	const struct soft_attr *label;
	enum hf_err e;

	*ret = (struct soft_token){ .c = c, .dir = dir };
	if (a == NULL || !read_file(ret, "token.object", &file)) {
		(void)cli_usage("a token is a directory below SoftHSM's directories.tokendir, with a file "
				"token.object; a token in a database (objectstore.backend = db) is not read");
		return false;
	}
	e = soft_read(buf_slice(&file), a);
	label = e == HF_OK ? soft_get(a, SOFT_TOKEN_LABEL) : NULL;
	if (label == NULL)
		return failed("token.object", HF_E_KEYFILE);
	for (size_t n = label->bytes.n; n > 0; n--)
		if (label->bytes.p[n - 1] != ' ') {
			snprintf(ret->label, sizeof(ret->label), "%.*s", (int)n,
				(const char *)label->bytes.p);
			break;
		}
	if (cli_pin(c, OPT_FROM_FILE, OPT_FROM_FD, "PIN of the SoftHSM user", false, &ret->pin) != HF_OK)
		return false;
	e = soft_unlock(a, secret_slice(&ret->pin), &ret->key);
	return e == HF_OK || failed(dir, e);
}

/* --- attributes ------------------------------------------------------------- */

/* What Holdfast works out for itself, or takes from its security officer alone. */
static bool is_left(uint64_t type)
{
	static const uint32_t left[] = { CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE,
		CKA_KEY_GEN_MECHANISM, CKA_MODULUS_BITS, CKA_VALUE_LEN, CKA_VALUE_BITS, CKA_CHECK_VALUE,
		CKA_TRUSTED, CKA_PUBLIC_KEY_INFO, CKA_UNIQUE_ID };

	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		if (left[i] == type)
			return true;
	return type >= CKA_VENDOR_DEFINED;
}

static enum hf_err put_template(struct cli *c, struct incoming *i, const struct soft_attr *a)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(TEMPLATES_MAX);
	struct soft_attrs *in = arena_alloc(&c->arena, 1, sizeof(*in));

	if (in == NULL)
		return HF_E_MEMORY;
	TRY(soft_read_nested(a->bytes, in));
	buf_u32(&b, (uint32_t)in->n);
	for (size_t k = 0; k < in->n; k++) {
		const struct soft_attr *x = &in->v[k];
		struct attr one = { (uint32_t)x->type, x->bytes };

		if (x->kind == SOFT_BOOL)
			one.value = x->number ? cli_true : cli_false;
		if (x->kind == SOFT_ULONG)
			one.value = cli_u64(c, x->number);
		attr_enc(&b, &one);
	}
	TRY(buf_err(&b));
	return in->n == 0 ? HF_OK : incoming_put(c, i, (uint32_t)a->type, buf_slice(&b));
}

static enum hf_err put_bytes(const struct soft_token *t, struct incoming *i, const struct soft_attr *a,
	bool sealed)
{
	CLEANUP(secret_done) struct secret s = { 0 };

	if (!sealed || a->bytes.n == 0)
		return a->bytes.n == 0 ? HF_OK : incoming_put(t->c, i, (uint32_t)a->type, a->bytes);
	TRY(soft_open(secret_slice(&t->key), a->bytes, &s));
	return incoming_put(t->c, i, (uint32_t)a->type, secret_slice(&s));
}

static enum hf_err put(const struct soft_token *t, struct incoming *i, const struct soft_attr *a, bool sealed)
{
	switch (a->kind) {
	case SOFT_BOOL:
		return incoming_put_bool(t->c, i, (uint32_t)a->type, a->number != 0);
	case SOFT_ULONG:
		return incoming_put_u64(t->c, i, (uint32_t)a->type, a->number);
	case SOFT_BYTES:
		return put_bytes(t, i, a, sealed);
	case SOFT_MECHS:
		return a->bytes.n == 0 ? HF_OK : incoming_put(t->c, i, (uint32_t)a->type, a->bytes);
	case SOFT_ATTRS_OF:
		return put_template(t->c, i, a);
	}
	return HF_E_KEYFILE;
}

static enum hf_err read_object(struct soft_token *t, const char *name)
{
	CLEANUP(buf_done) struct buf file = { 0 };
	CLEANUP(arena_done) struct arena scratch = { 0 };
	struct soft_attrs *a = arena_alloc(&scratch, 1, sizeof(*a));
	const struct soft_attr *private_;
	struct incoming *i;

	TRY(incoming_new(t->c, &t->objects, &i));
	if (a == NULL)
		return HF_E_MEMORY;
	if (!read_file(t, name, &file) || soft_read(buf_slice(&file), a) != HF_OK) {
		i->refused = "its file is damaged";
		return incoming_put(t->c, i, CKA_LABEL, slice_str(name));
	}
	private_ = soft_get(a, CKA_PRIVATE);
	for (size_t k = 0; k < a->n && i->refused == NULL; k++)
		if (!is_left(a->v[k].type) &&
		    put(t, i, &a->v[k], private_ != NULL && private_->number != 0) != HF_OK)
			i->refused = "an attribute of it is damaged";
	return HF_OK;
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static bool read_objects(struct soft_token *t)
{
	CLEANUP(close_dir) DIR *d = opendir(t->dir);
	const struct dirent *e;
	size_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += ends_in(e->d_name, ".object");
	if (d == NULL || n > OBJECTS_MAX) {
		(void)cli_usage("%s: %s", t->dir, d == NULL ? strerror(errno) : "too many objects");
		return false;
	}
	rewinddir(d);
	if (incoming_list_new(t->c, n, &t->objects) != HF_OK)
		return failed(t->dir, HF_E_MEMORY);
	while ((e = readdir(d)) != NULL) {
		enum hf_err err = HF_OK;

		if (ends_in(e->d_name, ".object") && strcmp(e->d_name, "token.object") != 0)
			err = read_object(t, e->d_name);
		if (err != HF_OK)
			return failed(e->d_name, err);
	}
	return true;
}

/* --- the partition ------------------------------------------------------------ */

/* make_partition gives a new one the token's label, and the user's PIN of there unless
 * another is named. */
static bool make_partition(struct soft_token *t)
{
	CLEANUP(secret_done) struct secret so = { 0 }, user = { 0 };
	struct cli *c = t->c;
	struct partition_create_req q = { .label = slice_str(t->label), .user_pin = secret_slice(&t->pin) };
	struct partition_create_res r;
	enum hf_err e;

	if (cli_pin(c, OPT_SO_FILE, OPT_SO_FD, "New PIN of the security officer", true, &so) != HF_OK)
		return false;
	if ((c->opt[OPT_PIN_FILE] || c->opt[OPT_PIN_FD])) {
		if (cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "New PIN of the user", true, &user) != HF_OK)
			return false;
		secret_done(&t->pin);
		t->pin = secret_take(&user);
		q.user_pin = secret_slice(&t->pin);
	}
	q.so_pin = secret_slice(&so);
	e = do_partition_create(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK || failed("making the partition", e);
}

static bool is_there(struct cli *c, const char *label, bool *ret)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;
	enum hf_err e = do_partition_list(c->client, 0, &q, &r, &c->arena);

	*ret = false;
	for (size_t i = 0; e == HF_OK && i < r.partitions.n; i++)
		*ret = *ret || slice_eq(r.partitions.v[i].label, slice_str(label));
	return e == HF_OK || failed("partitions", e);
}

static bool log_in(struct soft_token *t, uint64_t *ret)
{
	struct partition_info p;
	enum hf_err e;

	if (!cli_partition(t->c, t->label, &p))
		return false;
	e = client_session_open(t->c->client, p.slot, true, ret);
	if (e == HF_OK)
		e = client_login(t->c->client, *ret, CKU_USER, SLICE_NONE, secret_slice(&t->pin));
	return e == HF_OK || failed("login", e);
}

/* into opens a session in the partition that takes the objects. */
static bool into(struct soft_token *t, uint64_t *ret)
{
	bool there;

	if (t->c->opt[OPT_PARTITION] != NULL)
		return cli_session(t->c, true, ret);
	if (!is_there(t->c, t->label, &there))
		return false;
	if (!there)
		return make_partition(t) && log_in(t, ret);
	t->c->opt[OPT_PARTITION] = t->label;
	return cli_session(t->c, true, ret);
}

static bool prepare(struct cli *c, struct soft_token *t)
{
	enum hf_err e = crypto_init();

	if (e != HF_OK)
		return failed("softhsm", e);
	return open_token(c, c->args[0], t) && read_objects(t);
}

int cmd_softhsm_import(struct cli *c)
{
	CLEANUP(token_done) struct soft_token t = { 0 };
	uint64_t session;

	if (!prepare(c, &t) || !into(&t, &session))
		return EXIT_FAILED;
	return incoming_take(c, session, &t.objects);
}

int cmd_softhsm_list(struct cli *c)
{
	CLEANUP(token_done) struct soft_token t = { 0 };

	if (!prepare(c, &t))
		return EXIT_FAILED;
	incoming_show(c, &t.objects);
	return EXIT_DONE;
}
