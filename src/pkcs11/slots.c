#include "module.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "text.h"
#include "utf8.h"

/* list_room: what a call that fills an application's list does about its size.
 * CKR_OK and *ret_fill: write n elements. */
static CK_RV list_room(const void *list, CK_ULONG_PTR count, size_t n, bool *ret_fill)
{
	CK_ULONG room = *count;

	*count = n;
	*ret_fill = list != NULL && room >= n;
	return list == NULL || room >= n ? CKR_OK : CKR_BUFFER_TOO_SMALL;
}

CK_RV C_GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID_PTR pSlotList, CK_ULONG_PTR pulCount)
{
	ENTER(e);
	struct slot_list_req q = { 0 };
	struct slot_list_res r;
	bool fill;
	CK_RV rv;

	(void)tokenPresent; /* every slot has one, initialized or not */
	REQUIRE(pulCount != NULL);
	TRY_CKR(do_slot_list(e.client, 0, &q, &r, &e.arena));
	rv = list_room(pSlotList, pulCount, r.slots.n, &fill);
	for (size_t i = 0; fill && i < r.slots.n; i++)
		pSlotList[i] = r.slots.v[i].id;
	return rv;
}

static enum hf_err token_of(struct entry *e, CK_SLOT_ID slot, struct token_info_res *ret)
{
	struct token_info_req q = { .slot = slot };

	return do_token_info(e->client, 0, &q, ret, &e->arena);
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slotID, CK_SLOT_INFO_PTR pInfo)
{
	ENTER(e);
	struct token_info_res r;
	char text[64];

	REQUIRE(pInfo != NULL);
	TRY_CKR(token_of(&e, slotID, &r));
	*pInfo = (CK_SLOT_INFO){
		.flags = CKF_TOKEN_PRESENT,
		.firmwareVersion = { HF_VERSION_MAJOR, HF_VERSION_MINOR },
	};
	(void)snprintf(text, sizeof(text), MODULE_NAME " slot %lu", slotID);
	text_pad(pInfo->slotDescription, sizeof(pInfo->slotDescription), slice_str(text));
	text_pad(pInfo->manufacturerID, sizeof(pInfo->manufacturerID), SLICE_STR(MODULE_NAME));
	return CKR_OK;
}

/* 0 is "no limit" here, and CK_EFFECTIVELY_INFINITE there, which is 0 too. */
static void token_numbers(const struct token_info_res *r, CK_TOKEN_INFO_PTR info)
{
	info->flags = r->flags | CKF_ASYNC_SESSION_SUPPORTED;
	info->ulMaxSessionCount = r->max_sessions;
	info->ulSessionCount = r->sessions;
	info->ulMaxRwSessionCount = r->max_sessions;
	info->ulRwSessionCount = r->rw_sessions;
	info->ulMaxPinLen = r->pin_max;
	info->ulMinPinLen = r->pin_min;
	info->ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION;
	info->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
	info->ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION;
	info->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slotID, CK_TOKEN_INFO_PTR pInfo)
{
	ENTER(e);
	struct token_info_res r;

	REQUIRE(pInfo != NULL);
	TRY_CKR(token_of(&e, slotID, &r));
	*pInfo = (CK_TOKEN_INFO){
		.firmwareVersion = { HF_VERSION_MAJOR, HF_VERSION_MINOR },
	};
	text_pad(pInfo->label, sizeof(pInfo->label), r.label);
	text_pad(pInfo->manufacturerID, sizeof(pInfo->manufacturerID), SLICE_STR(MODULE_NAME));
	text_pad(pInfo->model, sizeof(pInfo->model), SLICE_STR(MODULE_NAME));
	text_pad(pInfo->serialNumber, sizeof(pInfo->serialNumber), r.serial);
	token_numbers(&r, pInfo);
	clock_digits(clock_wall_us(), pInfo->utcTime);
	return CKR_OK;
}

CK_RV C_GetMechanismList(CK_SLOT_ID slotID, CK_MECHANISM_TYPE_PTR pMechanismList,
	CK_ULONG_PTR pulCount)
{
	ENTER(e);
	struct mech_list_req q = { .slot = slotID };
	struct mech_list_res r;
	bool fill;
	CK_RV rv;

	REQUIRE(pulCount != NULL);
	TRY_CKR(do_mech_list(e.client, 0, &q, &r, &e.arena));
	rv = list_room(pMechanismList, pulCount, r.types.n, &fill);
	for (size_t i = 0; fill && i < r.types.n; i++)
		pMechanismList[i] = r.types.v[i];
	return rv;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slotID, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR pInfo)
{
	ENTER(e);
	struct mech_info_req q = { .slot = slotID, .type = (uint32_t)type };
	struct mech_info_res r;

	REQUIRE(pInfo != NULL);
	if (type > UINT32_MAX)
		return CKR_MECHANISM_INVALID;
	TRY_CKR(do_mech_info(e.client, 0, &q, &r, &e.arena));
	*pInfo = (CK_MECHANISM_INFO){ r.min_size, r.max_size, r.flags };
	return CKR_OK;
}

CK_RV C_InitToken(CK_SLOT_ID slotID, CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen,
	CK_UTF8CHAR_PTR pLabel)
{
	ENTER(e);
	struct token_init_req q = { .slot = slotID };
	struct token_init_res r;

	REQUIRE(pPin != NULL && pLabel != NULL);
	if (ulPinLen > PIN_MAX)
		return CKR_PIN_LEN_RANGE;
	q.so_pin = bytes_of(pPin, ulPinLen);
	q.label = text_trim(pLabel, LABEL_BYTES);
	REQUIRE(utf8_valid(q.label));
	return err_ckr(do_token_init(e.client, 0, &q, &r, &e.arena));
}
