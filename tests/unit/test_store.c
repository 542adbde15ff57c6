/* What every store promises; each test runs over each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log.h"
#include "scratch.h"
#include "store.h"

static struct scratch scratch;
static struct store *store;

static int setup_memory(void **state)
{
	(void)state;
	scratch_new(&scratch);
	return store_memory(&store) == HF_OK ? 0 : -1;
}

static int setup_sqlite(void **state)
{
	(void)state;
	scratch_new(&scratch);
	return store_sqlite(scratch.fd, "store.db", &store) == HF_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	store->ops->close(store);
	scratch_free(&scratch);
	return 0;
}

static struct store_change change(const char *name, uint64_t expect, uint64_t version, const char *value)
{
	return (struct store_change){ slice_str(name), expect, version, slice_str(value) };
}

static enum hf_err commit(const struct store_change *v, size_t n)
{
	struct store_batch b = { v, n };
	enum hf_err e = HF_E_INTERNAL;

	store->ops->commit(store, &b, 1, &e);
	return e;
}

static enum hf_err put(const char *name, uint64_t expect, uint64_t version, const char *value)
{
	struct store_change c = change(name, expect, version, value);

	return commit(&c, 1);
}

/* struct text collects "name=version:value;" of what a scan visits. */
struct text {
	char s[512];
	size_t stop_after, n;
};

static bool add(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct text *t = ctx;
	size_t used = strlen(t->s);

	(void)snprintf(t->s + used, sizeof(t->s) - used, "%.*s=%llu:%.*s;", (int)name.n,
		(const char *)name.p, (unsigned long long)version, (int)value.n,
		value.n > 0 ? (const char *)value.p : "");
	return ++t->n != t->stop_after;
}

static const char *scan(const char *prefix, const char *after)
{
	static struct text t;

	t = (struct text){ 0 };
	assert_int_equal(store->ops->scan(store, slice_str(prefix), slice_str(after), add, &t), HF_OK);
	return t.s;
}

static const char *get(const char *name)
{
	static struct text t;

	t = (struct text){ 0 };
	assert_int_equal(store_get(store, slice_str(name), add, &t), HF_OK);
	return t.s;
}

static const char *frozen(const char *after)
{
	static struct text t;

	t = (struct text){ 0 };
	assert_int_equal(store->ops->scan_frozen(store, SLICE_STR("p/"), slice_str(after), add, &t), HF_OK);
	return t.s;
}

static void a_frozen_store_is_of_one_moment(void **state)
{
	struct text t = { 0 };

	(void)state;
	assert_int_equal(put("p/a", 0, 1, "a"), HF_OK);
	assert_int_equal(put("p/b", 0, 1, "b"), HF_OK);
	assert_int_equal(put("p/d", 0, 1, "d"), HF_OK);
	assert_int_equal(store->ops->scan_frozen(store, SLICE_NONE, SLICE_NONE, add, &t), HF_E_OP_LOST);
	assert_int_equal(store->ops->freeze(store, true), HF_OK);
	assert_int_equal(put("p/a", 1, 2, "A"), HF_OK);
	assert_int_equal(put("p/a", 2, 3, "AA"), HF_OK);
	assert_int_equal(put("p/b", 1, 0, ""), HF_OK);
	assert_int_equal(put("p/c", 0, 1, "c"), HF_OK);
	assert_string_equal(frozen(""), "p/a=1:a;p/b=1:b;p/d=1:d;");
	assert_string_equal(frozen("p/a"), "p/b=1:b;p/d=1:d;");
	assert_string_equal(scan("p/", ""), "p/a=3:AA;p/c=1:c;p/d=1:d;");
	assert_int_equal(store->ops->freeze(store, true), HF_OK);
	assert_string_equal(frozen(""), "p/a=3:AA;p/c=1:c;p/d=1:d;");
	assert_int_equal(store->ops->freeze(store, false), HF_OK);
	assert_int_equal(store->ops->scan_frozen(store, SLICE_NONE, SLICE_NONE, add, &t), HF_E_OP_LOST);
}

static void a_new_store_is_empty(void **state)
{
	(void)state;
	assert_string_equal(scan("", ""), "");
	assert_string_equal(get("a"), "");
	assert_string_equal(get(""), "");
}

static void a_scan_is_in_order_under_its_prefix_and_behind_after(void **state)
{
	static const struct {
		const char *prefix, *after, *found;
	} cases[] = {
		{ "", "", "a=1:;a/=1:;a/1=1:;a/2=1:;a/\xff=1:;b=1:;" },
		{ "a/", "", "a/=1:;a/1=1:;a/2=1:;a/\xff=1:;" },
		{ "a/", "a/", "a/1=1:;a/2=1:;a/\xff=1:;" },
		{ "a/", "a/1", "a/2=1:;a/\xff=1:;" },
		{ "a/", "a/11", "a/2=1:;a/\xff=1:;" },
		{ "a/", "a", "a/=1:;a/1=1:;a/2=1:;a/\xff=1:;" },
		{ "a/", "b", "" },
		{ "", "a/2", "a/\xff=1:;b=1:;" },
		{ "a/\xff", "", "a/\xff=1:;" },
		{ "c", "", "" },
	};
	static const char *const names[] = { "b", "a/2", "a", "a/\xff", "a/", "a/1" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(put(names[i], 0, 1, ""), HF_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(scan(cases[i].prefix, cases[i].after), cases[i].found);
}

static void a_visitor_stops_the_scan(void **state)
{
	struct text t = { .stop_after = 2 };

	(void)state;
	for (char name[] = "a"; name[0] < 'f'; name[0]++)
		assert_int_equal(put(name, 0, 1, ""), HF_OK);
	assert_int_equal(store->ops->scan(store, SLICE_NONE, SLICE_NONE, add, &t), HF_OK);
	assert_string_equal(t.s, "a=1:;b=1:;");
	assert_string_equal(scan("d", ""), "d=1:;"); /* and disturbs no later one */
}

static void get_finds_the_very_name(void **state)
{
	(void)state;
	assert_int_equal(put("p/1", 0, 3, "x"), HF_OK);
	assert_string_equal(get("p/1"), "p/1=3:x;");
	assert_string_equal(get("p/"), "");
	assert_string_equal(get("p/11"), "");
}

static void a_record_changes_only_from_the_version_expected(void **state)
{
	static const struct {
		uint64_t expect;
		enum hf_err e;
		const char *why;
	} cases[] = {
		{ 0, HF_E_CONFLICT, "it is there" },
		{ 4, HF_E_CONFLICT, "older" },
		{ 6, HF_E_CONFLICT, "newer" },
		{ 5, HF_OK, "right" },
	};

	(void)state;
	assert_int_equal(put("a", 1, 2, "early"), HF_E_CONFLICT); /* is absent */
	assert_int_equal(put("a", 0, 5, "old"), HF_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(put("a", cases[i].expect, 7, "new"), cases[i].e);
		assert_string_equal(get("a"), cases[i].e == HF_OK ? "a=7:new;" : "a=5:old;");
	}
}

static void version_zero_deletes(void **state)
{
	(void)state;
	assert_int_equal(put("a", 0, 1, "x"), HF_OK);
	assert_int_equal(put("a", 2, 0, ""), HF_E_CONFLICT);
	assert_int_equal(put("a", 1, 0, ""), HF_OK);
	assert_string_equal(scan("", ""), "");
	assert_int_equal(put("a", 0, 9, "again"), HF_OK);
	assert_string_equal(get("a"), "a=9:again;");
}

static void a_batch_is_all_or_nothing(void **state)
{
	const struct store_change v[] = {
		change("a", 0, 1, "1"), change("b", 1, 0, ""), change("c", 3, 4, "4"),
	};

	(void)state;
	assert_int_equal(put("b", 0, 1, "b"), HF_OK);
	assert_int_equal(commit(v, 3), HF_E_CONFLICT);
	assert_string_equal(scan("", ""), "b=1:b;");
	assert_int_equal(commit(v, 2), HF_OK);
	assert_string_equal(scan("", ""), "a=1:1;");
	assert_int_equal(commit(NULL, 0), HF_OK);
}

static void a_conflict_in_a_group_leaves_the_others_alone(void **state)
{
	const struct store_change first[] = { change("a", 0, 1, "1"), change("b", 0, 1, "1") };
	const struct store_change second[] = { change("c", 0, 1, "no"), change("a", 0, 1, "no") };
	const struct store_change third[] = { change("a", 1, 2, "3"), change("b", 1, 0, "") };
	const struct store_change fourth[] = { change("a", 1, 2, "no") };
	const struct store_batch group[] = { { first, 2 }, { second, 2 }, { third, 2 }, { fourth, 1 } };
	enum hf_err e[4];

	(void)state;
	store->ops->commit(store, group, 4, e);
	assert_int_equal(e[0], HF_OK);
	assert_int_equal(e[1], HF_E_CONFLICT);
	assert_int_equal(e[2], HF_OK); /* it sees what the first one did */
	assert_int_equal(e[3], HF_E_CONFLICT);
	assert_string_equal(scan("", ""), "a=2:3;");
}

struct whole {
	uint64_t version;
	uint8_t *p;
	size_t n;
};

static bool keep(void *ctx, struct slice name, uint64_t version, struct slice value)
{
	struct whole *w = ctx;

	(void)name;
	*w = (struct whole){ version, malloc(value.n + 1), value.n };
	assert_non_null(w->p);
	if (value.n > 0)
		memcpy(w->p, value.p, value.n);
	return true;
}

static void values_and_versions_of_any_size_come_back(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 4096, 70000, 3000000 };
	uint8_t *big = malloc(3000000);

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < 3000000; i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t version = i == 1 ? UINT64_MAX : i == 2 ? (uint64_t)1 << 63 : i + 1;
		struct store_change c = { { big, i + 1 }, 0, version, { big, sizes[i] } };
		struct whole w = { 0 };

		assert_int_equal(commit(&c, 1), HF_OK);
		assert_int_equal(store_get(store, c.name, keep, &w), HF_OK);
		assert_true(w.version == version);
		assert_int_equal(w.n, sizes[i]);
		assert_memory_equal(w.p, big, w.n);
		free(w.p);
	}
	free(big);
}

static void many_records_keep_their_order(void **state)
{
	struct store_change v[500];
	static char names[500][8];
	struct text t = { .stop_after = 3 };

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%03zu", (i * 7919) % 500);
		v[i] = change(names[i], 0, 1, "");
	}
	assert_int_equal(commit(v, 500), HF_OK);
	assert_int_equal(store->ops->scan(store, SLICE_STR("n"), SLICE_STR("n249"), add, &t), HF_OK);
	assert_string_equal(t.s, "n250=1:;n251=1:;n252=1:;");
}

#define BOTH(f)                                                                                    \
	{ "memory: " #f, f, setup_memory, teardown, NULL },                                        \
	{ "sqlite: " #f, f, setup_sqlite, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_new_store_is_empty),
		BOTH(a_frozen_store_is_of_one_moment),
		BOTH(a_scan_is_in_order_under_its_prefix_and_behind_after),
		BOTH(a_visitor_stops_the_scan),
		BOTH(get_finds_the_very_name),
		BOTH(a_record_changes_only_from_the_version_expected),
		BOTH(version_zero_deletes),
		BOTH(a_batch_is_all_or_nothing),
		BOTH(a_conflict_in_a_group_leaves_the_others_alone),
		BOTH(values_and_versions_of_any_size_come_back),
		BOTH(many_records_keep_their_order),
	};

	log_open("test", LOG_L_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
