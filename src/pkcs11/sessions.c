#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* The flag of C_GetSessionValidationFlags. No CKO_VALIDATION object defines it, since
 * nobody validated this token: it is FIPS 140-3's service indicator only. */
#define HOLDFAST_APPROVED_SERVICE 1ul

#define STATE_MAX 1024 /* bytes, as spec/calls */

CK_RV C_OpenSession(CK_SLOT_ID slotID, CK_FLAGS flags, CK_VOID_PTR pApplication,
	CK_NOTIFY Notify, CK_SESSION_HANDLE_PTR phSession)
{
	ENTER(e);
	uint64_t session;

	(void)pApplication; /* nothing is ever notified */
	(void)Notify;
	REQUIRE(phSession != NULL);
	if (!(flags & CKF_SERIAL_SESSION))
		return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
	TRY_CKR(client_session_open(e.client, slotID, (flags & CKF_RW_SESSION) != 0, &session));
	if (flags & CKF_ASYNC_SESSION) {
		enum hf_err err = async_open(session);

		if (err != HF_OK)
			(void)!client_session_close(e.client, session);
		TRY_CKR(err);
	}
	*phSession = session;
	return CKR_OK;
}

/* No authority has validated this token, so no call is of a validated kind. */
CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE hSession, CK_SESSION_VALIDATION_FLAGS_TYPE type,
	CK_FLAGS_PTR pFlags)
{
	ENTER(e);
	struct session_info_req q = { 0 };
	struct session_info_res r;

	REQUIRE(pFlags != NULL);
	TRY_CKR(do_session_info(e.client, hSession, &q, &r, &e.arena));
	if (type != CKS_LAST_VALIDATION_OK)
		return CKR_ARGUMENTS_BAD;
	*pFlags = r.service == SERVICE_APPROVED ? HOLDFAST_APPROVED_SERVICE : 0;
	return CKR_OK;
}

CK_RV C_CloseSession(CK_SESSION_HANDLE hSession)
{
	ENTER(e);
	find_forget(hSession);
	async_forget(hSession);
	return err_ckr(client_session_close(e.client, hSession));
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slotID)
{
	ENTER(e);
	TRY_CKR(client_session_close_all(e.client, slotID));
	find_sweep(e.client);
	async_sweep(e.client);
	return CKR_OK;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE hSession, CK_SESSION_INFO_PTR pInfo)
{
	ENTER(e);
	struct session_info_req q = { 0 };
	struct session_info_res r;

	REQUIRE(pInfo != NULL);
	TRY_CKR(do_session_info(e.client, hSession, &q, &r, &e.arena));
	*pInfo = (CK_SESSION_INFO){
		.slotID = r.slot,
		.state = r.state,
		.flags = CKF_SERIAL_SESSION | (r.rw ? CKF_RW_SESSION : 0) |
			(async_session(hSession) ? CKF_ASYNC_SESSION : 0),
	};
	return CKR_OK;
}

/* --- login ---------------------------------------------------------------- */

static CK_RV login(struct entry *e, CK_SESSION_HANDLE session, CK_USER_TYPE user,
	struct slice name, struct slice pin)
{
	enum hf_err r;

	if (user > UINT32_MAX)
		return CKR_USER_TYPE_INVALID;
	if (pin.n > PIN_MAX)
		return CKR_PIN_INCORRECT;
	r = client_login(e->client, session, (uint32_t)user, name, pin);
	/* Without a PIN: a role whose custodians make it, and no other. */
	return pin.p == NULL && r == HF_E_PIN_INCORRECT ? CKR_ARGUMENTS_BAD : err_ckr(r);
}

CK_RV C_Login(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
	CK_ULONG ulPinLen)
{
	ENTER(e);
	const char *name = userType == CKU_USER ? secure_getenv("HOLDFAST_USER") : NULL;

	REQUIRE(given(pPin, ulPinLen));
	REQUIRE(name == NULL || (strlen(name) <= NAME_MAX_BYTES && utf8_valid(slice_str(name))));
	return login(&e, hSession, userType, name != NULL ? slice_str(name) : SLICE_NONE,
		bytes_of(pPin, ulPinLen));
}

CK_RV C_LoginUser(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin,
	CK_ULONG ulPinLen, CK_UTF8CHAR_PTR pUsername, CK_ULONG ulUsernameLen)
{
	ENTER(e);
	struct slice name = bytes_of(pUsername, ulUsernameLen);

	REQUIRE(given(pPin, ulPinLen) && given(pUsername, ulUsernameLen));
	REQUIRE(name.n <= NAME_MAX_BYTES && utf8_valid(name));
	return login(&e, hSession, userType, name, bytes_of(pPin, ulPinLen));
}

CK_RV C_Logout(CK_SESSION_HANDLE hSession)
{
	ENTER(e);
	return err_ckr(client_logout(e.client, hSession));
}

CK_RV C_InitPIN(CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen)
{
	ENTER(e);
	struct pin_init_req q = { .pin = bytes_of(pPin, ulPinLen) };
	struct pin_init_res r;

	REQUIRE(pPin != NULL);
	if (ulPinLen > PIN_MAX)
		return CKR_PIN_LEN_RANGE;
	return err_ckr(do_pin_init(e.client, hSession, &q, &r, &e.arena));
}

CK_RV C_SetPIN(CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pOldPin, CK_ULONG ulOldLen,
	CK_UTF8CHAR_PTR pNewPin, CK_ULONG ulNewLen)
{
	ENTER(e);
	REQUIRE(pOldPin != NULL && pNewPin != NULL);
	if (ulOldLen > PIN_MAX)
		return CKR_PIN_INCORRECT;
	if (ulNewLen > PIN_MAX)
		return CKR_PIN_LEN_RANGE;
	return err_ckr(client_pin_set(e.client, hSession, bytes_of(pOldPin, ulOldLen),
		bytes_of(pNewPin, ulNewLen)));
}

/* --- saved operations ----------------------------------------------------- */

CK_RV C_GetOperationState(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pOperationState,
	CK_ULONG_PTR pulOperationStateLen)
{
	ENTER(e);
	struct state_get_req q = { 0 };
	struct state_get_res r;

	REQUIRE(pulOperationStateLen != NULL);
	q.max = output_max(pOperationState, pulOperationStateLen);
	TRY_CKR(do_state_get(e.client, hSession, &q, &r, &e.arena));
	return output_give(r.need, r.out, pOperationState, pulOperationStateLen);
}

CK_RV C_SetOperationState(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pOperationState,
	CK_ULONG ulOperationStateLen, CK_OBJECT_HANDLE hEncryptionKey,
	CK_OBJECT_HANDLE hAuthenticationKey)
{
	ENTER(e);
	struct state_set_req q = { bytes_of(pOperationState, ulOperationStateLen), hEncryptionKey,
		hAuthenticationKey };
	struct state_set_res r;

	REQUIRE(given(pOperationState, ulOperationStateLen));
	if (ulOperationStateLen > STATE_MAX)
		return CKR_SAVED_STATE_INVALID;
	TRY_CKR(do_state_set(e.client, hSession, &q, &r, &e.arena));
	client_operations_taken(e.client, hSession, r.ops);
	return CKR_OK;
}
