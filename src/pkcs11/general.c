#include "module.h"

#include <pthread.h>
#include <string.h>

#include "lock.h"
#include "text.h"

/* The application's link to its HSM, while it is initialized. Calls hold the
 * lock for reading, and none calls another; C_Initialize and C_Finalize for writing, before
 * calls that come later. Nothing here runs
 * at exit or when the library is unloaded: the vault sees the connections end. */
static struct rwlock lock = RWLOCK_INIT_FAIR;
static struct client *client;

/* For C_WaitForSlotEvent, which may wait for ever and so holds no lock. */
static struct mutex wait_lock = MUTEX_INIT;
static struct cond wait_end = { PTHREAD_COND_INITIALIZER };
static uint64_t finalized; /* how often */

static void leave(const struct entry *e)
{
	rwlock_unlock(&lock);
	(void)pthread_setcancelstate(e->cancel, NULL);
}

bool module_enter(struct entry *e)
{
	/* A thread that is cancelled here would leave locks and connections behind. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &e->cancel);
	rwlock_read(&lock);
	e->client = client;
	if (client == NULL)
		leave(e);
	return e->client != NULL;
}

void module_leave(struct entry *e)
{
	if (e->client == NULL)
		return;
	arena_done(&e->arena);
	buf_done(&e->param);
	leave(e);
}

/* --- fork ----------------------------------------------------------------- */

/* The child has the parent's connections, which it must not use, and locks that
 * threads held which it has not. It starts uninitialized (PKCS#11 3.2 §2.5). */
static void after_fork_in_child(void)
{
	struct client *parents = client;

	lock = (struct rwlock)RWLOCK_INIT_FAIR;
	wait_lock = (struct mutex)MUTEX_INIT;
	wait_end = (struct cond){ PTHREAD_COND_INITIALIZER };
	client = NULL;
	client_forget(parents);
	find_abandon();
	async_abandon();
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* --- C_Initialize, C_Finalize --------------------------------------------- */

static CK_RV check_init_args(const CK_C_INITIALIZE_ARGS *a)
{
	int callbacks;

	if (a == NULL)
		return CKR_OK;
	callbacks = (a->CreateMutex != NULL) + (a->DestroyMutex != NULL) +
		    (a->LockMutex != NULL) + (a->UnlockMutex != NULL);
	REQUIRE(a->pReserved == NULL);
	REQUIRE(callbacks == 0 || callbacks == 4);
	/* The system's locks are used in any case. An application that brings its
	 * own without CKF_OS_LOCKING_OK gets what it wants from them: safety. */
	return CKR_OK;
}

CK_RV C_Initialize(CK_VOID_PTR pInitArgs)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct client_options o = { 0 };
	enum hf_err e;
	CK_RV rv = check_init_args(pInitArgs);

	if (rv != CKR_OK)
		return rv;
	(void)pthread_once(&once, watch_forks);
	rwlock_write(&lock);
	e = HF_OK;
	if (client != NULL)
		rv = CKR_CRYPTOKI_ALREADY_INITIALIZED;
	else
		e = client_open(&o, &client);
	rwlock_unlock(&lock);
	return e != HF_OK ? err_ckr(e) : rv;
}

CK_RV C_Finalize(CK_VOID_PTR pReserved)
{
	struct client *c;

	REQUIRE(pReserved == NULL);
	rwlock_write(&lock);
	c = client;
	client = NULL;
	rwlock_unlock(&lock);
	if (c == NULL)
		return CKR_CRYPTOKI_NOT_INITIALIZED;
	find_clear();
	async_clear();
	client_close(c);
	MUTEX_HOLD(&wait_lock);
	finalized++;
	cond_broadcast(&wait_end);
	return CKR_OK;
}

/* --- about the library ---------------------------------------------------- */

static CK_RV library_info(CK_INFO_PTR info, CK_BYTE major, CK_BYTE minor)
{
	ENTER(e);
	REQUIRE(info != NULL);
	*info = (CK_INFO){
		.cryptokiVersion = { major, minor },
		.libraryVersion = { HF_VERSION_MAJOR, HF_VERSION_MINOR },
	};
	text_pad(info->manufacturerID, sizeof(info->manufacturerID), SLICE_STR(MODULE_NAME));
	text_pad(info->libraryDescription, sizeof(info->libraryDescription),
		SLICE_STR(MODULE_NAME " client"));
	return CKR_OK;
}

CK_RV C_GetInfo(CK_INFO_PTR pInfo)
{
	return library_info(pInfo, 2, 40);
}

CK_RV info_3_0(CK_INFO_PTR info)
{
	return library_info(info, 3, 0);
}

CK_RV info_3_2(CK_INFO_PTR info)
{
	return library_info(info, 3, 2);
}

/* --- slot events ---------------------------------------------------------- */

/* Slots come and go only with partitions, which are no events. */
CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID_PTR pSlot, CK_VOID_PTR pReserved)
{
	uint64_t then;

	{
		ENTER(e);
		REQUIRE(pSlot != NULL && pReserved == NULL);
		if (flags & CKF_DONT_BLOCK)
			return CKR_NO_EVENT;
		MUTEX_HOLD(&wait_lock);
		then = finalized;
	}
	MUTEX_HOLD(&wait_lock);
	while (finalized == then)
		cond_wait(&wait_end, &wait_lock);
	return CKR_CRYPTOKI_NOT_INITIALIZED;
}

/* --- parallel functions of 1.0 (PKCS#11 3.2 §5.20) ------------------------ */

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE hSession)
{
	ENTER(e);
	(void)hSession;
	return CKR_FUNCTION_NOT_PARALLEL;
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE hSession)
{
	ENTER(e);
	(void)hSession;
	return CKR_FUNCTION_NOT_PARALLEL;
}
