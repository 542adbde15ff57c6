#include "module.h"

#include <string.h>

#include "lock.h"
#include "map.h"

#define TYPES_MAX 1024 /* attributes asked for at once, as spec/calls */
#define PAGE_MAX 65536 /* objects of one page of a search, as spec/calls */

/* --- objects -------------------------------------------------------------- */

CK_RV C_CreateObject(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount,
	CK_OBJECT_HANDLE_PTR phObject)
{
	ENTER(e);
	struct object_create_req q;
	struct object_create_res r;

	REQUIRE(phObject != NULL);
	TRY_CKR(template_encode(pTemplate, ulCount, &e.arena, &q.attrs));
	TRY_CKR(do_object_create(e.client, hSession, &q, &r, &e.arena));
	*phObject = r.object;
	return CKR_OK;
}

CK_RV C_CopyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
	CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phNewObject)
{
	ENTER(e);
	struct object_copy_req q = { .object = hObject };
	struct object_copy_res r;

	REQUIRE(phNewObject != NULL);
	TRY_CKR(template_encode(pTemplate, ulCount, &e.arena, &q.attrs));
	TRY_CKR(do_object_copy(e.client, hSession, &q, &r, &e.arena));
	*phNewObject = r.copy;
	return CKR_OK;
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject)
{
	ENTER(e);
	struct object_destroy_req q = { .object = hObject };
	struct object_destroy_res r;

	return err_ckr(do_object_destroy(e.client, hSession, &q, &r, &e.arena));
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ULONG_PTR pulSize)
{
	ENTER(e);
	struct object_size_req q = { .object = hObject };
	struct object_size_res r;

	REQUIRE(pulSize != NULL);
	TRY_CKR(do_object_size(e.client, hSession, &q, &r, &e.arena));
	*pulSize = r.size;
	return CKR_OK;
}

/* A number that is no attribute's becomes one that no object has. */
static enum hf_err types_of(const CK_ATTRIBUTE *t, CK_ULONG n, struct arena *a,
	struct u32_list *ret)
{
	uint32_t *v = arena_alloc(a, n + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < n; i++)
		v[i] = t[i].type > UINT32_MAX ? UINT32_MAX : (uint32_t)t[i].type;
	*ret = (struct u32_list){ v, n };
	return HF_OK;
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
	CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
	ENTER(e);
	struct attr_get_req q = { .object = hObject };
	struct attr_get_res r;

	REQUIRE(given(pTemplate, ulCount) && ulCount <= TYPES_MAX);
	TRY_CKR(types_of(pTemplate, ulCount, &e.arena, &q.types));
	TRY_CKR(do_attr_get(e.client, hSession, &q, &r, &e.arena));
	if (r.got.n != ulCount)
		return err_ckr(HF_E_MALFORMED);
	return template_fill(pTemplate, ulCount, r.got);
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject,
	CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
	ENTER(e);
	struct attr_set_req q = { .object = hObject };
	struct attr_set_res r;

	TRY_CKR(template_encode(pTemplate, ulCount, &e.arena, &q.attrs));
	return err_ckr(do_attr_set(e.client, hSession, &q, &r, &e.arena));
}

/* --- searches ------------------------------------------------------------- */

/* A search fetches all handles at once and lives here from then on: it outlasts
 * a restart of the vault, and objects made meanwhile do not confuse it. */
struct find {
	struct map_node node; /* key: the session */
	CK_OBJECT_HANDLE *v;
	size_t n, next;
};

static struct mutex finds_lock = MUTEX_INIT;
static struct map finds;

static void find_free(struct find *f)
{
	if (f == NULL)
		return;
	hf_free(f->v);
	hf_free(f);
}

static void find_release(struct find **f)
{
	find_free(*f);
}

static struct find *find_of(CK_SESSION_HANDLE session)
{
	struct map_node *n = map_get(&finds, session);

	return n == NULL ? NULL : container_of(n, struct find, node);
}

void find_forget(CK_SESSION_HANDLE session)
{
	MUTEX_HOLD(&finds_lock);
	struct find *f = find_of(session);

	if (f == NULL)
		return;
	(void)map_del(&finds, session);
	find_free(f);
}

void find_sweep(struct client *c)
{
	MUTEX_HOLD(&finds_lock);
	struct map_node *n = map_next(&finds, NULL);
	uint64_t slot;

	while (n != NULL) {
		struct map_node *next = map_next(&finds, n);

		if (client_session_slot(c, n->key, &slot) != HF_OK) {
			(void)map_del(&finds, n->key);
			find_free(container_of(n, struct find, node));
		}
		n = next;
	}
}

static void drop(struct map_node *n)
{
	find_free(container_of(n, struct find, node));
}

void find_clear(void)
{
	MUTEX_HOLD(&finds_lock);

	map_free(&finds, drop);
}

void find_abandon(void)
{
	finds_lock = (struct mutex)MUTEX_INIT;
	finds = (struct map){ 0 };
}

static enum hf_err find_append(struct find *f, struct u64_list page)
{
	CK_OBJECT_HANDLE *v;

	if (page.n == 0)
		return HF_OK;
	v = hf_realloc(f->v, f->n + page.n, sizeof(*v));
	if (v == NULL)
		return HF_E_MEMORY;
	f->v = v;
	for (size_t i = 0; i < page.n; i++)
		f->v[f->n++] = page.v[i];
	return HF_OK;
}

static enum hf_err find_all(struct client *c, CK_SESSION_HANDLE session, struct find_req *q,
	struct find *f)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	size_t most = client_part_max(c) / sizeof(uint64_t);
	struct find_res r;

	q->max = (uint32_t)(most < PAGE_MAX ? most : PAGE_MAX);
	do {
		TRY(do_find(c, session, q, &r, &a));
		TRY(find_append(f, r.objects));
		q->after = r.cursor;
		arena_reset(&a);
	} while (q->after != 0);
	return HF_OK;
}

static enum hf_err find_begin(CK_SESSION_HANDLE session, struct find **f)
{
	MUTEX_HOLD(&finds_lock);

	if (find_of(session) != NULL)
		return HF_E_OP_ACTIVE;
	TRY(map_put(&finds, session, &(*f)->node));
	*f = NULL;
	return HF_OK;
}

static bool find_active(CK_SESSION_HANDLE session)
{
	MUTEX_HOLD(&finds_lock);

	return find_of(session) != NULL;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
	ENTER(e);
	CLEANUP(find_release) struct find *f = NULL;
	struct find_req q = { 0 };
	uint64_t slot;

	TRY_CKR(client_session_slot(e.client, hSession, &slot));
	if (find_active(hSession))
		return CKR_OPERATION_ACTIVE;
	TRY_CKR(template_encode(pTemplate, ulCount, &e.arena, &q.attrs));
	f = hf_alloc(1, sizeof(*f));
	if (f == NULL)
		return CKR_HOST_MEMORY;
	TRY_CKR(find_all(e.client, hSession, &q, f));
	return err_ckr(find_begin(hSession, &f));
}

CK_RV C_FindObjects(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE_PTR phObject,
	CK_ULONG ulMaxObjectCount, CK_ULONG_PTR pulObjectCount)
{
	ENTER(e);
	struct find *f;
	uint64_t slot;
	size_t n;

	REQUIRE(pulObjectCount != NULL && given(phObject, ulMaxObjectCount));
	TRY_CKR(client_session_slot(e.client, hSession, &slot));
	MUTEX_HOLD(&finds_lock);
	f = find_of(hSession);
	if (f == NULL)
		return CKR_OPERATION_NOT_INITIALIZED;
	n = f->n - f->next;
	if (n > ulMaxObjectCount)
		n = ulMaxObjectCount;
	if (n > 0)
		memcpy(phObject, f->v + f->next, n * sizeof(*phObject));
	f->next += n;
	*pulObjectCount = n;
	return CKR_OK;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE hSession)
{
	ENTER(e);
	uint64_t slot;

	TRY_CKR(client_session_slot(e.client, hSession, &slot));
	if (!find_active(hSession))
		return CKR_OPERATION_NOT_INITIALIZED;
	find_forget(hSession);
	return CKR_OK;
}
