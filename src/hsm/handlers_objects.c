/* handlers_objects.c: objects made, copied, changed, read, found, destroyed. */
#include "attrs.h"
#include "copying.h"
#include "gate.h"
#include "guard.h"
#include "handlers_keys.h"
#include "module.h"
#include "object.h"
#include "onetime.h"
#include "pkcs11_numbers.h"
#include "policy.h"

#define RETRIES 100 /* others write the same object */

static bool sent_before(const struct calls_ctx *c)
{
	return (c->head.flags & WIRE_FLAG_REPEAT) != 0;
}

/* import checks a key that somebody brings and completes it. */
static enum hf_err import(struct attrs *a)
{
	CLEANUP(parts_done) struct parts extra = { 0 };
	uint32_t cko = (uint32_t)attrs_u64(a, CKA_CLASS, ATTRS_AS_GIVEN);
	uint32_t ckk = (uint32_t)attrs_u64(a, CKA_KEY_TYPE, ATTRS_AS_GIVEN);
	struct key_source s = attrs_source(a);

	if (cko != CKO_PUBLIC_KEY && cko != CKO_PRIVATE_KEY && cko != CKO_SECRET_KEY &&
	    cko != CKO_OTP_KEY)
		return HF_OK;
	TRY(key_import(cko, ckk, &s, &extra));
	return attrs_put_parts(a, &extra);
}

static enum hf_err add(struct calls_ctx *c, struct attrs *a, uint64_t *ret_handle)
{
	CLEANUP(object_release) struct object *o = NULL;

	TRY(object_add(c, a, &o));
	*ret_handle = o->handle;
	return HF_OK;
}

enum hf_err on_object_create(struct calls_ctx *c, const struct object_create_req *q,
	struct object_create_res *r)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };
	struct birth_info b = {
		.how = BIRTH_CREATE, .cko = ATTRS_AS_GIVEN, .ckk = ATTRS_AS_GIVEN, .role = c->role,
	};

	if (made_before(c, &r->object))
		return HF_OK;
	TRY(attrs_birth(&b, q->attrs, &a));
	TRY(policy_import(c, attrs_u64(&a, CKA_CLASS, ATTRS_AS_GIVEN)));
	TRY(object_permit(c, &a));
	TRY(attrs_check_complete(&a));
	TRY(import(&a));
	return add(c, &a, &r->object);
}

enum hf_err on_object_copy(struct calls_ctx *c, const struct object_copy_req *q,
	struct object_copy_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;
	CLEANUP(attrs_done) struct attrs a = { 0 };
	struct birth_info b = { .how = BIRTH_COPY, .role = c->role };

	if (made_before(c, &r->copy))
		return HF_OK;
	TRY(object_get(c, q->object, HF_E_OBJECT_HANDLE, &o));
	object_audit(c, o);
	if (guarded(c, o))
		return HF_E_COPY_PROHIBITED;
	b.base = &o->attrs;
	TRY(attrs_birth(&b, q->attrs, &a));
	TRY(copy_judge(c, o, q->attrs, &a));
	return add(c, &a, &r->copy);
}

static enum hf_err destroy_once(struct calls_ctx *c, uint64_t handle)
{
	CLEANUP(object_release) struct object *o = NULL;

	TRY(object_get(c, handle, HF_E_OBJECT_HANDLE, &o));
	object_audit(c, o);
	return object_destroy(c, o);
}

enum hf_err on_object_destroy(struct calls_ctx *c, const struct object_destroy_req *q,
	struct object_destroy_res *r)
{
	enum hf_err e = HF_E_CONFLICT;

	(void)r;
	for (int i = 0; i < RETRIES && e == HF_E_CONFLICT; i++)
		e = destroy_once(c, q->object);
	return e == HF_E_OBJECT_HANDLE && sent_before(c) ? HF_OK : e;
}

enum hf_err on_object_size(struct calls_ctx *c, const struct object_size_req *q,
	struct object_size_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;

	TRY(object_get(c, q->object, HF_E_OBJECT_HANDLE, &o));
	r->size = o->attrs.n;
	return HF_OK;
}

/* get_one copies: the object may be gone before the answer is encoded. */
static enum hf_err get_one(struct calls_ctx *c, const struct object *o, uint32_t type,
	struct got *ret)
{
	uint8_t left[8];
	struct slice v;

	ret->type = type;
	ret->found = (uint8_t)attrs_read(&o->attrs, type, &v);
	if (type == CKA_HSS_KEYS_REMAINING && ret->found == ATTR_FOUND) {
		put_u64(left, onetime_left(c, o));
		v = SLICE_OF(left);
	}
	return arena_dup(c->arena, v, &ret->value);
}

enum hf_err on_attr_get(struct calls_ctx *c, const struct attr_get_req *q, struct attr_get_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;
	size_t n = q->types.n;
	struct got *v = arena_alloc(c->arena, n != 0 ? n : 1, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(object_get(c, q->object, HF_E_OBJECT_HANDLE, &o));
	object_audit(c, o);
	for (size_t i = 0; i < n; i++)
		TRY(get_one(c, o, q->types.v[i], &v[i]));
	r->got = (struct got_list){ v, n };
	return HF_OK;
}

static enum hf_err set_once(struct calls_ctx *c, const struct attr_set_req *q)
{
	CLEANUP(object_release) struct object *o = NULL;
	CLEANUP(attrs_done) struct attrs a = { 0 };

	TRY(object_get(c, q->object, HF_E_OBJECT_HANDLE, &o));
	object_audit(c, o);
	TRY(attrs_change(&o->attrs, q->attrs, c->role, &a));
	TRY(policy_change(c, o, &a));
	return object_replace(c, o, &a);
}

/* What an earlier copy of this call set is no change any more, so that one sent
 * again needs nothing of its own. */
enum hf_err on_attr_set(struct calls_ctx *c, const struct attr_set_req *q, struct attr_set_res *r)
{
	enum hf_err e = HF_E_CONFLICT;

	(void)r;
	for (int i = 0; i < RETRIES && e == HF_E_CONFLICT; i++)
		e = set_once(c, q);
	return e;
}

enum hf_err on_find(struct calls_ctx *c, const struct find_req *q, struct find_res *r)
{
	for (size_t i = 0; i < q->attrs.n; i++)
		if (q->attrs.v[i].type == CKA_LABEL)
			audit_label(c, q->attrs.v[i].value);
	TRY(objects_find(c, q->attrs, q->after, q->max, &r->objects, &r->cursor));
	call_detail(c, "%zu found", r->objects.n);
	return HF_OK;
}
