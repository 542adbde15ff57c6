/* incoming.c: see incoming.h. */
#include "incoming.h"

#include <string.h>

#include "pkcs11_numbers.h"

enum hf_err incoming_list_new(struct cli *c, size_t max, struct incoming_list *ret)
{
	*ret = (struct incoming_list){ arena_alloc(&c->arena, max, sizeof(*ret->v)), 0, max };
	return ret->v == NULL ? HF_E_MEMORY : HF_OK;
}

enum hf_err incoming_new(struct cli *c, struct incoming_list *l, struct incoming **ret)
{
	struct incoming *i = &l->v[l->n];

	if (l->n == l->max)
		return HF_E_LIMIT;
	*i = (struct incoming){ .v = arena_alloc(&c->arena, INCOMING_ATTRS, sizeof(*i->v)) };
	if (i->v == NULL)
		return HF_E_MEMORY;
	l->n++;
	*ret = i;
	return HF_OK;
}

enum hf_err incoming_put(struct cli *c, struct incoming *i, uint32_t cka, struct slice v)
{
	if (i->n == INCOMING_ATTRS)
		return HF_E_LIMIT;
	i->v[i->n].type = cka;
	TRY(arena_dup(&c->arena, v, &i->v[i->n].value));
	i->n++;
	return HF_OK;
}

enum hf_err incoming_put_u64(struct cli *c, struct incoming *i, uint32_t cka, uint64_t v)
{
	uint8_t b[8];

	put_u64(b, v);
	return incoming_put(c, i, cka, SLICE_OF(b));
}

enum hf_err incoming_put_bool(struct cli *c, struct incoming *i, uint32_t cka, bool v)
{
	return incoming_put(c, i, cka, v ? cli_true : cli_false);
}

static struct slice get(const struct incoming *i, uint32_t cka)
{
	for (size_t k = 0; k < i->n; k++)
		if (i->v[k].type == cka)
			return i->v[k].value;
	return SLICE_NONE;
}

bool incoming_has(const struct incoming *i, uint32_t cka)
{
	for (size_t k = 0; k < i->n; k++)
		if (i->v[k].type == cka)
			return true;
	return false;
}

static uint64_t number(const struct incoming *i, uint32_t cka)
{
	struct slice s = get(i, cka);

	return s.n == 8 ? get_u64(s.p) : UINT64_MAX;
}

/* is_there looks for an object of the same class, label and id. */
static enum hf_err is_there(struct cli *c, uint64_t session, const struct incoming *i, bool *ret)
{
	static const uint32_t looks[] = { CKA_CLASS, CKA_LABEL, CKA_ID };
	CLEANUP(arena_done) struct arena a = { 0 };
	struct attr t[sizeof(looks) / sizeof(looks[0]) + 1] = { { CKA_TOKEN, cli_true } };
	struct find_req q = { .attrs = { t, 1 }, .max = 1 };
	struct find_res r;

	for (size_t k = 0; k < sizeof(looks) / sizeof(looks[0]); k++)
		if (incoming_has(i, looks[k]))
			t[q.attrs.n++] = (struct attr){ looks[k], get(i, looks[k]) };
	TRY(do_find(c->client, session, &q, &r, &a));
	*ret = r.objects.n > 0;
	return HF_OK;
}

static bool rule(struct cli *c, bool *ret_skip)
{
	const char *s = c->opt[OPT_COLLISION];

	*ret_skip = s != NULL && strcmp(s, "skip") == 0;
	if (*ret_skip || s == NULL || strcmp(s, "fail") == 0)
		return true;
	(void)cli_usage("--on-collision is fail or skip here, not '%s'", s);
	return false;
}

/* mark_there marks what is there already; false: it said why that is the end. */
static bool mark_there(struct cli *c, uint64_t session, struct incoming_list *l, bool skip)
{
	size_t found = 0;

	for (size_t i = 0; i < l->n; i++) {
		bool there = false;
		enum hf_err e = l->v[i].refused ? HF_OK : is_there(c, session, &l->v[i], &there);

		if (e != HF_OK) {
			(void)cli_fail("looking for what is there", e);
			return false;
		}
		if (there)
			l->v[i].refused = "there already";
		found += there;
	}
	if (found == 0 || skip)
		return true;
	(void)cli_usage("%zu of %zu objects have the class, label and id of one that is there; nothing was "
			"imported. Leave these out with --on-collision skip", found, l->n);
	return false;
}

static json_t *line(const struct incoming *i, const char *outcome)
{
	struct slice label = get(i, CKA_LABEL), id = get(i, CKA_ID);
	uint64_t ckk = number(i, CKA_KEY_TYPE);

	return json_pack("{s:s, s:s, s:o, s:o, s:s}", "class", name_of_class(number(i, CKA_CLASS)), "type",
		ckk == UINT64_MAX ? "-" : name_of_key_type(ckk), "label",
		label.n > 0 ? json_slice(label) : json_null(), "id", id.n > 0 ? json_hex(id) : json_null(),
		"outcome", outcome);
}

static enum hf_err make(struct cli *c, uint64_t session, const struct incoming *i)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct object_create_req q = { .attrs = { i->v, i->n } };
	struct object_create_res r;

	return do_object_create(c->client, session, &q, &r, &a);
}

int incoming_take(struct cli *c, uint64_t session, struct incoming_list *l)
{
	json_t *said = json_array();
	size_t missing = 0;
	bool skip;

	if (!rule(c, &skip) || !mark_there(c, session, l, skip)) {
		json_decref(said);
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < l->n; i++) {
		const char *outcome = l->v[i].refused;

		if (outcome == NULL) {
			enum hf_err e = make(c, session, &l->v[i]);

			outcome = e == HF_OK ? "imported" : err_text(e);
			missing += e != HF_OK;
		} else if (strcmp(outcome, "there already") != 0) {
			missing++;
		}
		json_array_append_new(said, line(&l->v[i], outcome));
	}
	cli_print(c, said);
	if (missing > 0)
		(void)cli_usage("%zu of %zu objects did not come", missing, l->n);
	return missing > 0 ? EXIT_FAILED : EXIT_DONE;
}

void incoming_show(struct cli *c, const struct incoming_list *l)
{
	json_t *said = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(said, line(&l->v[i], l->v[i].refused ? l->v[i].refused : "readable"));
	cli_print(c, said);
}
