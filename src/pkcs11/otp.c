/* otp.c: what C_Sign gives for a one-time password: a structure that points into the
 * caller's own buffer (PKCS#11 3.2 §6.53.3). The vault's answer is
 *
 *   password | counter, 8 bytes
 *
 *   CK_OTP_SIGNATURE_INFO | CK_OTP_PARAM value | CK_OTP_PARAM counter | that answer */
#include "module.h"

#include <string.h>

#define COUNTER 8

struct otp_head {
	CK_OTP_SIGNATURE_INFO info;
	CK_OTP_PARAM param[2];
};

bool signs_otp(struct entry *e, CK_SESSION_HANDLE session)
{
	uint32_t type;

	return client_operation(e->client, session, OPK_SIGN, &type) &&
		mechanism_param(type) == PARAM_OTP;
}

CK_ULONG otp_size(uint32_t need)
{
	return sizeof(struct otp_head) + need;
}

CK_RV otp_give(size_t answer, CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	CK_BYTE_PTR text = p + sizeof(struct otp_head);
	struct otp_head head;

	if (answer <= COUNTER || answer > UINT32_MAX)
		return CKR_DEVICE_ERROR;
	head = (struct otp_head){
		.info = { (CK_OTP_PARAM_PTR)(void *)(p + sizeof(head.info)), 2 },
		.param = { { CK_OTP_VALUE, text, answer - COUNTER },
			{ CK_OTP_COUNTER, text + answer - COUNTER, COUNTER } },
	};
	memcpy(p, &head, sizeof(head));
	*len = otp_size((uint32_t)answer);
	return CKR_OK;
}
