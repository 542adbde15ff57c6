/* pkcs11.h: PKCS#11 (Cryptoki) 2.40, 3.0 and 3.2 in C, written from the text of
 * the OASIS standard; names and layout are the standard's (3.2 §2, §3, §5, §6).
 *
 * Natural alignment, as on every Unix; on Windows define CK_PACKED before
 * including this, for the 1-byte packing that is the custom there. */
#ifndef HF_PKCS11_H
#define HF_PKCS11_H

#include "pkcs11_numbers.h"

#define CRYPTOKI_VERSION_MAJOR 3
#define CRYPTOKI_VERSION_MINOR 2
#define CRYPTOKI_VERSION_AMENDMENT 0

#ifdef __cplusplus
extern "C" {
#endif
#ifdef CK_PACKED
#pragma pack(push, cryptoki, 1)
#endif

#ifndef NULL_PTR
#define NULL_PTR ((void *)0)
#endif

/* --- numbers and bytes (3.2 §3) ------------------------------------------ */

typedef unsigned char CK_BYTE;
typedef CK_BYTE CK_CHAR;
typedef CK_BYTE CK_UTF8CHAR;
typedef CK_BYTE CK_BBOOL;
typedef unsigned long int CK_ULONG;
typedef long int CK_LONG;
typedef CK_ULONG CK_FLAGS;

typedef CK_BYTE *CK_BYTE_PTR;
typedef CK_CHAR *CK_CHAR_PTR;
typedef CK_UTF8CHAR *CK_UTF8CHAR_PTR;
typedef CK_BBOOL *CK_BBOOL_PTR;
typedef CK_ULONG *CK_ULONG_PTR;
typedef CK_FLAGS *CK_FLAGS_PTR;
typedef void *CK_VOID_PTR;
typedef CK_VOID_PTR *CK_VOID_PTR_PTR;

/* CK_NUMBER_ declares one of the standard's kinds of number and its pointer. */
#define CK_NUMBER_(name) typedef CK_ULONG name, *name##_PTR

CK_NUMBER_(CK_ATTRIBUTE_TYPE);
CK_NUMBER_(CK_CERTIFICATE_CATEGORY);
CK_NUMBER_(CK_CERTIFICATE_TYPE);
CK_NUMBER_(CK_EC_KDF_TYPE);
CK_NUMBER_(CK_EXTRACT_PARAMS);
CK_NUMBER_(CK_GENERATOR_FUNCTION);
CK_NUMBER_(CK_HEDGE_TYPE);
CK_NUMBER_(CK_HSS_LEVELS);
CK_NUMBER_(CK_HW_FEATURE_TYPE);
CK_NUMBER_(CK_JAVA_MIDP_SECURITY_DOMAIN);
CK_NUMBER_(CK_KEY_TYPE);
CK_NUMBER_(CK_LMS_TYPE);
CK_NUMBER_(CK_LMOTS_TYPE);
CK_NUMBER_(CK_MAC_GENERAL_PARAMS);
CK_NUMBER_(CK_MECHANISM_TYPE);
CK_NUMBER_(CK_ML_DSA_PARAMETER_SET_TYPE);
CK_NUMBER_(CK_ML_KEM_PARAMETER_SET_TYPE);
CK_NUMBER_(CK_NOTIFICATION);
CK_NUMBER_(CK_OBJECT_CLASS);
CK_NUMBER_(CK_OBJECT_HANDLE);
CK_NUMBER_(CK_OTP_PARAM_TYPE);
CK_NUMBER_(CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE);
CK_NUMBER_(CK_PKCS5_PBKDF2_SALT_SOURCE_TYPE);
CK_NUMBER_(CK_PRF_DATA_TYPE);
CK_NUMBER_(CK_PROFILE_ID);
CK_NUMBER_(CK_RC2_PARAMS);
CK_NUMBER_(CK_RSA_PKCS_MGF_TYPE);
CK_NUMBER_(CK_RSA_PKCS_OAEP_SOURCE_TYPE);
CK_NUMBER_(CK_RV);
CK_NUMBER_(CK_SESSION_HANDLE);
CK_NUMBER_(CK_SESSION_VALIDATION_FLAGS_TYPE);
CK_NUMBER_(CK_SLH_DSA_PARAMETER_SET_TYPE);
CK_NUMBER_(CK_SLOT_ID);
CK_NUMBER_(CK_SP800_108_DKM_LENGTH_METHOD);
CK_NUMBER_(CK_SP800_108_PRF_TYPE);
CK_NUMBER_(CK_STATE);
CK_NUMBER_(CK_TRUST);
CK_NUMBER_(CK_USER_TYPE);
CK_NUMBER_(CK_VALIDATION_AUTHORITY_TYPE);
CK_NUMBER_(CK_VALIDATION_TYPE);
CK_NUMBER_(CK_X2RATCHET_KDF_TYPE);
CK_NUMBER_(CK_X3DH_KDF_TYPE);
CK_NUMBER_(CK_X9_42_DH_KDF_TYPE);
CK_NUMBER_(CK_XEDDSA_HASH_TYPE);
CK_NUMBER_(CK_XMSS_PARAMETER_SET_TYPE);
CK_NUMBER_(CK_XMSSMT_PARAMETER_SET_TYPE);

/* --- what the functions pass (3.2 §3) -------------------------------------- */

typedef struct CK_VERSION {
	CK_BYTE major;
	CK_BYTE minor;
} CK_VERSION, *CK_VERSION_PTR;

typedef struct CK_INFO {
	CK_VERSION cryptokiVersion;
	CK_UTF8CHAR manufacturerID[32];
	CK_FLAGS flags;
	CK_UTF8CHAR libraryDescription[32];
	CK_VERSION libraryVersion;
} CK_INFO, *CK_INFO_PTR;

typedef struct CK_SLOT_INFO {
	CK_UTF8CHAR slotDescription[64];
	CK_UTF8CHAR manufacturerID[32];
	CK_FLAGS flags;
	CK_VERSION hardwareVersion;
	CK_VERSION firmwareVersion;
} CK_SLOT_INFO, *CK_SLOT_INFO_PTR;

typedef struct CK_TOKEN_INFO {
	CK_UTF8CHAR label[32];
	CK_UTF8CHAR manufacturerID[32];
	CK_UTF8CHAR model[16];
	CK_CHAR serialNumber[16];
	CK_FLAGS flags;
	CK_ULONG ulMaxSessionCount;
	CK_ULONG ulSessionCount;
	CK_ULONG ulMaxRwSessionCount;
	CK_ULONG ulRwSessionCount;
	CK_ULONG ulMaxPinLen;
	CK_ULONG ulMinPinLen;
	CK_ULONG ulTotalPublicMemory;
	CK_ULONG ulFreePublicMemory;
	CK_ULONG ulTotalPrivateMemory;
	CK_ULONG ulFreePrivateMemory;
	CK_VERSION hardwareVersion;
	CK_VERSION firmwareVersion;
	CK_CHAR utcTime[16];
} CK_TOKEN_INFO, *CK_TOKEN_INFO_PTR;

typedef struct CK_SESSION_INFO {
	CK_SLOT_ID slotID;
	CK_STATE state;
	CK_FLAGS flags;
	CK_ULONG ulDeviceError;
} CK_SESSION_INFO, *CK_SESSION_INFO_PTR;

typedef struct CK_ATTRIBUTE {
	CK_ATTRIBUTE_TYPE type;
	CK_VOID_PTR pValue;
	CK_ULONG ulValueLen;
} CK_ATTRIBUTE, *CK_ATTRIBUTE_PTR;

typedef struct CK_DATE {
	CK_CHAR year[4];
	CK_CHAR month[2];
	CK_CHAR day[2];
} CK_DATE, *CK_DATE_PTR;

typedef struct CK_MECHANISM {
	CK_MECHANISM_TYPE mechanism;
	CK_VOID_PTR pParameter;
	CK_ULONG ulParameterLen;
} CK_MECHANISM, *CK_MECHANISM_PTR;

typedef struct CK_MECHANISM_INFO {
	CK_ULONG ulMinKeySize;
	CK_ULONG ulMaxKeySize;
	CK_FLAGS flags;
} CK_MECHANISM_INFO, *CK_MECHANISM_INFO_PTR;

typedef struct CK_INTERFACE {
	CK_UTF8CHAR_PTR pInterfaceName;
	CK_VOID_PTR pFunctionList;
	CK_FLAGS flags;
} CK_INTERFACE, *CK_INTERFACE_PTR;

typedef struct CK_DERIVED_KEY {
	CK_ATTRIBUTE_PTR pTemplate;
	CK_ULONG ulAttributeCount;
	CK_OBJECT_HANDLE_PTR phKey;
} CK_DERIVED_KEY, *CK_DERIVED_KEY_PTR;

typedef struct CK_ASYNC_DATA {
	CK_ULONG ulVersion;
	CK_BYTE_PTR pValue;
	CK_ULONG ulValue;
	CK_OBJECT_HANDLE hObject;
	CK_OBJECT_HANDLE hAdditionalObject;
} CK_ASYNC_DATA, *CK_ASYNC_DATA_PTR;

typedef CK_RV (*CK_NOTIFY)(CK_SESSION_HANDLE hSession, CK_NOTIFICATION event,
	CK_VOID_PTR pApplication);
typedef CK_RV (*CK_CREATEMUTEX)(CK_VOID_PTR_PTR ppMutex);
typedef CK_RV (*CK_DESTROYMUTEX)(CK_VOID_PTR pMutex);
typedef CK_RV (*CK_LOCKMUTEX)(CK_VOID_PTR pMutex);
typedef CK_RV (*CK_UNLOCKMUTEX)(CK_VOID_PTR pMutex);

typedef struct CK_C_INITIALIZE_ARGS {
	CK_CREATEMUTEX CreateMutex;
	CK_DESTROYMUTEX DestroyMutex;
	CK_LOCKMUTEX LockMutex;
	CK_UNLOCKMUTEX UnlockMutex;
	CK_FLAGS flags;
	CK_VOID_PTR pReserved;
} CK_C_INITIALIZE_ARGS, *CK_C_INITIALIZE_ARGS_PTR;


/* --- parameters: RSA (3.2 §6.1) -------------------------------------------- */

typedef struct CK_RSA_PKCS_OAEP_PARAMS {
	CK_MECHANISM_TYPE hashAlg;
	CK_RSA_PKCS_MGF_TYPE mgf;
	CK_RSA_PKCS_OAEP_SOURCE_TYPE source;
	CK_VOID_PTR pSourceData;
	CK_ULONG ulSourceDataLen;
} CK_RSA_PKCS_OAEP_PARAMS, *CK_RSA_PKCS_OAEP_PARAMS_PTR;

typedef struct CK_RSA_PKCS_PSS_PARAMS {
	CK_MECHANISM_TYPE hashAlg;
	CK_RSA_PKCS_MGF_TYPE mgf;
	CK_ULONG sLen;
} CK_RSA_PKCS_PSS_PARAMS, *CK_RSA_PKCS_PSS_PARAMS_PTR;

typedef struct CK_RSA_AES_KEY_WRAP_PARAMS {
	CK_ULONG ulAESKeyBits;
	CK_RSA_PKCS_OAEP_PARAMS_PTR pOAEPParams;
} CK_RSA_AES_KEY_WRAP_PARAMS, *CK_RSA_AES_KEY_WRAP_PARAMS_PTR;

typedef struct CK_KEY_WRAP_SET_OAEP_PARAMS {
	CK_BYTE bBC;
	CK_BYTE_PTR pX;
	CK_ULONG ulXLen;
} CK_KEY_WRAP_SET_OAEP_PARAMS, *CK_KEY_WRAP_SET_OAEP_PARAMS_PTR;


/* --- parameters: DSA, DH, elliptic curves (3.2 §6.2 to §6.6) --------------- */

typedef struct CK_DSA_PARAMETER_GEN_PARAM {
	CK_MECHANISM_TYPE hash;
	CK_BYTE_PTR pSeed;
	CK_ULONG ulSeedLen;
	CK_ULONG ulIndex;
} CK_DSA_PARAMETER_GEN_PARAM, *CK_DSA_PARAMETER_GEN_PARAM_PTR;

typedef struct CK_ECDH1_DERIVE_PARAMS {
	CK_EC_KDF_TYPE kdf;
	CK_ULONG ulSharedDataLen;
	CK_BYTE_PTR pSharedData;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
} CK_ECDH1_DERIVE_PARAMS, *CK_ECDH1_DERIVE_PARAMS_PTR;

typedef struct CK_ECDH2_DERIVE_PARAMS {
	CK_EC_KDF_TYPE kdf;
	CK_ULONG ulSharedDataLen;
	CK_BYTE_PTR pSharedData;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
	CK_ULONG ulPrivateDataLen;
	CK_OBJECT_HANDLE hPrivateData;
	CK_ULONG ulPublicDataLen2;
	CK_BYTE_PTR pPublicData2;
} CK_ECDH2_DERIVE_PARAMS, *CK_ECDH2_DERIVE_PARAMS_PTR;

typedef struct CK_ECMQV_DERIVE_PARAMS {
	CK_EC_KDF_TYPE kdf;
	CK_ULONG ulSharedDataLen;
	CK_BYTE_PTR pSharedData;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
	CK_ULONG ulPrivateDataLen;
	CK_OBJECT_HANDLE hPrivateData;
	CK_ULONG ulPublicDataLen2;
	CK_BYTE_PTR pPublicData2;
	CK_OBJECT_HANDLE publicKey;
} CK_ECMQV_DERIVE_PARAMS, *CK_ECMQV_DERIVE_PARAMS_PTR;

typedef struct CK_ECDH_AES_KEY_WRAP_PARAMS {
	CK_ULONG ulAESKeyBits;
	CK_EC_KDF_TYPE kdf;
	CK_ULONG ulSharedDataLen;
	CK_BYTE_PTR pSharedData;
} CK_ECDH_AES_KEY_WRAP_PARAMS, *CK_ECDH_AES_KEY_WRAP_PARAMS_PTR;

typedef struct CK_EDDSA_PARAMS {
	CK_BBOOL phFlag;
	CK_ULONG ulContextDataLen;
	CK_BYTE_PTR pContextData;
} CK_EDDSA_PARAMS, *CK_EDDSA_PARAMS_PTR;

typedef struct CK_XEDDSA_PARAMS {
	CK_XEDDSA_HASH_TYPE hash;
} CK_XEDDSA_PARAMS, *CK_XEDDSA_PARAMS_PTR;

typedef struct CK_X9_42_DH1_DERIVE_PARAMS {
	CK_X9_42_DH_KDF_TYPE kdf;
	CK_ULONG ulOtherInfoLen;
	CK_BYTE_PTR pOtherInfo;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
} CK_X9_42_DH1_DERIVE_PARAMS, *CK_X9_42_DH1_DERIVE_PARAMS_PTR;

typedef struct CK_X9_42_DH2_DERIVE_PARAMS {
	CK_X9_42_DH_KDF_TYPE kdf;
	CK_ULONG ulOtherInfoLen;
	CK_BYTE_PTR pOtherInfo;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
	CK_ULONG ulPrivateDataLen;
	CK_OBJECT_HANDLE hPrivateData;
	CK_ULONG ulPublicDataLen2;
	CK_BYTE_PTR pPublicData2;
} CK_X9_42_DH2_DERIVE_PARAMS, *CK_X9_42_DH2_DERIVE_PARAMS_PTR;

typedef struct CK_X9_42_MQV_DERIVE_PARAMS {
	CK_X9_42_DH_KDF_TYPE kdf;
	CK_ULONG ulOtherInfoLen;
	CK_BYTE_PTR pOtherInfo;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
	CK_ULONG ulPrivateDataLen;
	CK_OBJECT_HANDLE hPrivateData;
	CK_ULONG ulPublicDataLen2;
	CK_BYTE_PTR pPublicData2;
	CK_OBJECT_HANDLE publicKey;
} CK_X9_42_MQV_DERIVE_PARAMS, *CK_X9_42_MQV_DERIVE_PARAMS_PTR;

typedef struct CK_KEA_DERIVE_PARAMS {
	CK_BBOOL isSender;
	CK_ULONG ulRandomLen;
	CK_BYTE_PTR pRandomA;
	CK_BYTE_PTR pRandomB;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
} CK_KEA_DERIVE_PARAMS, *CK_KEA_DERIVE_PARAMS_PTR;

typedef struct CK_X3DH_INITIATE_PARAMS {
	CK_X3DH_KDF_TYPE kdf;
	CK_OBJECT_HANDLE pPeer_identity;
	CK_OBJECT_HANDLE pPeer_prekey;
	CK_BYTE_PTR pPrekey_signature;
	CK_BYTE_PTR pOnetime_key;
	CK_OBJECT_HANDLE pOwn_identity;
	CK_OBJECT_HANDLE pOwn_ephemeral;
} CK_X3DH_INITIATE_PARAMS, *CK_X3DH_INITIATE_PARAMS_PTR;

typedef struct CK_X3DH_RESPOND_PARAMS {
	CK_X3DH_KDF_TYPE kdf;
	CK_BYTE_PTR pIdentity_id;
	CK_BYTE_PTR pPrekey_id;
	CK_BYTE_PTR pOnetime_id;
	CK_OBJECT_HANDLE pInitiator_identity;
	CK_BYTE_PTR pInitiator_ephemeral;
} CK_X3DH_RESPOND_PARAMS, *CK_X3DH_RESPOND_PARAMS_PTR;

typedef struct CK_X2RATCHET_INITIALIZE_PARAMS {
	CK_BYTE_PTR sk;
	CK_OBJECT_HANDLE peer_public_prekey;
	CK_OBJECT_HANDLE peer_public_identity;
	CK_OBJECT_HANDLE own_public_identity;
	CK_BBOOL bEncryptedHeader;
	CK_ULONG eCurve;
	CK_MECHANISM_TYPE aeadMechanism;
	CK_X2RATCHET_KDF_TYPE kdfMechanism;
} CK_X2RATCHET_INITIALIZE_PARAMS, *CK_X2RATCHET_INITIALIZE_PARAMS_PTR;

typedef struct CK_X2RATCHET_RESPOND_PARAMS {
	CK_BYTE_PTR sk;
	CK_OBJECT_HANDLE own_prekey;
	CK_OBJECT_HANDLE initiator_identity;
	CK_OBJECT_HANDLE own_public_identity;
	CK_BBOOL bEncryptedHeader;
	CK_ULONG eCurve;
	CK_MECHANISM_TYPE aeadMechanism;
	CK_X2RATCHET_KDF_TYPE kdfMechanism;
} CK_X2RATCHET_RESPOND_PARAMS, *CK_X2RATCHET_RESPOND_PARAMS_PTR;


/* --- parameters: ciphers (3.2 §6.11 to §6.13, §6.58 to §6.66) -------------- */

typedef struct CK_AES_CTR_PARAMS {
	CK_ULONG ulCounterBits;
	CK_BYTE cb[16];
} CK_AES_CTR_PARAMS, *CK_AES_CTR_PARAMS_PTR;

typedef struct CK_CAMELLIA_CTR_PARAMS {
	CK_ULONG ulCounterBits;
	CK_BYTE cb[16];
} CK_CAMELLIA_CTR_PARAMS, *CK_CAMELLIA_CTR_PARAMS_PTR;

typedef struct CK_GCM_PARAMS {
	CK_BYTE_PTR pIv;
	CK_ULONG ulIvLen;
	CK_ULONG ulIvBits;
	CK_BYTE_PTR pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulTagBits;
} CK_GCM_PARAMS, *CK_GCM_PARAMS_PTR;

typedef struct CK_GCM_MESSAGE_PARAMS {
	CK_BYTE_PTR pIv;
	CK_ULONG ulIvLen;
	CK_ULONG ulIvFixedBits;
	CK_GENERATOR_FUNCTION ivGenerator;
	CK_BYTE_PTR pTag;
	CK_ULONG ulTagBits;
} CK_GCM_MESSAGE_PARAMS, *CK_GCM_MESSAGE_PARAMS_PTR;

typedef struct CK_GCM_WRAP_PARAMS {
	CK_BYTE_PTR pIv;
	CK_ULONG ulIvLen;
	CK_ULONG ulIvFixedBits;
	CK_GENERATOR_FUNCTION ivGenerator;
	CK_BYTE_PTR pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulTagBits;
} CK_GCM_WRAP_PARAMS, *CK_GCM_WRAP_PARAMS_PTR;

typedef struct CK_CCM_PARAMS {
	CK_ULONG ulDataLen;
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceLen;
	CK_BYTE_PTR pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulMACLen;
} CK_CCM_PARAMS, *CK_CCM_PARAMS_PTR;

typedef struct CK_CCM_MESSAGE_PARAMS {
	CK_ULONG ulDataLen;
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceLen;
	CK_ULONG ulNonceFixedBits;
	CK_GENERATOR_FUNCTION nonceGenerator;
	CK_BYTE_PTR pMAC;
	CK_ULONG ulMACLen;
} CK_CCM_MESSAGE_PARAMS, *CK_CCM_MESSAGE_PARAMS_PTR;

typedef struct CK_CCM_WRAP_PARAMS {
	CK_ULONG ulDataLen;
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceLen;
	CK_ULONG ulNonceFixedBits;
	CK_GENERATOR_FUNCTION nonceGenerator;
	CK_BYTE_PTR pAAD;
	CK_ULONG ulAADLen;
	CK_ULONG ulMACLen;
} CK_CCM_WRAP_PARAMS, *CK_CCM_WRAP_PARAMS_PTR;

typedef CK_GCM_PARAMS CK_AES_GCM_PARAMS; /* older names */
typedef CK_CCM_PARAMS CK_AES_CCM_PARAMS;

typedef struct CK_DES_CBC_ENCRYPT_DATA_PARAMS {
	CK_BYTE iv[8];
	CK_BYTE_PTR pData;
	CK_ULONG length;
} CK_DES_CBC_ENCRYPT_DATA_PARAMS, *CK_DES_CBC_ENCRYPT_DATA_PARAMS_PTR;

typedef struct CK_AES_CBC_ENCRYPT_DATA_PARAMS {
	CK_BYTE iv[16];
	CK_BYTE_PTR pData;
	CK_ULONG length;
} CK_AES_CBC_ENCRYPT_DATA_PARAMS, *CK_AES_CBC_ENCRYPT_DATA_PARAMS_PTR;

typedef struct CK_ARIA_CBC_ENCRYPT_DATA_PARAMS {
	CK_BYTE iv[16];
	CK_BYTE_PTR pData;
	CK_ULONG length;
} CK_ARIA_CBC_ENCRYPT_DATA_PARAMS, *CK_ARIA_CBC_ENCRYPT_DATA_PARAMS_PTR;

typedef struct CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS {
	CK_BYTE iv[16];
	CK_BYTE_PTR pData;
	CK_ULONG length;
} CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS, *CK_CAMELLIA_CBC_ENCRYPT_DATA_PARAMS_PTR;

typedef struct CK_SEED_CBC_ENCRYPT_DATA_PARAMS {
	CK_BYTE iv[16];
	CK_BYTE_PTR pData;
	CK_ULONG length;
} CK_SEED_CBC_ENCRYPT_DATA_PARAMS, *CK_SEED_CBC_ENCRYPT_DATA_PARAMS_PTR;

typedef struct CK_CHACHA20_PARAMS {
	CK_BYTE_PTR pBlockCounter;
	CK_ULONG blockCounterBits;
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceBits;
} CK_CHACHA20_PARAMS, *CK_CHACHA20_PARAMS_PTR;

typedef struct CK_SALSA20_PARAMS {
	CK_BYTE_PTR pBlockCounter;
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceBits;
} CK_SALSA20_PARAMS, *CK_SALSA20_PARAMS_PTR;

typedef struct CK_SALSA20_CHACHA20_POLY1305_PARAMS {
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceLen;
	CK_BYTE_PTR pAAD;
	CK_ULONG ulAADLen;
} CK_SALSA20_CHACHA20_POLY1305_PARAMS, *CK_SALSA20_CHACHA20_POLY1305_PARAMS_PTR;

typedef struct CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS {
	CK_BYTE_PTR pNonce;
	CK_ULONG ulNonceLen;
	CK_BYTE_PTR pTag;
} CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, *CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS_PTR;

typedef struct CK_RC2_CBC_PARAMS {
	CK_ULONG ulEffectiveBits;
	CK_BYTE iv[8];
} CK_RC2_CBC_PARAMS, *CK_RC2_CBC_PARAMS_PTR;

typedef struct CK_RC2_MAC_GENERAL_PARAMS {
	CK_ULONG ulEffectiveBits;
	CK_ULONG ulMacLength;
} CK_RC2_MAC_GENERAL_PARAMS, *CK_RC2_MAC_GENERAL_PARAMS_PTR;

typedef struct CK_RC5_PARAMS {
	CK_ULONG ulWordsize;
	CK_ULONG ulRounds;
} CK_RC5_PARAMS, *CK_RC5_PARAMS_PTR;

typedef struct CK_RC5_CBC_PARAMS {
	CK_ULONG ulWordsize;
	CK_ULONG ulRounds;
	CK_BYTE_PTR pIv;
	CK_ULONG ulIvLen;
} CK_RC5_CBC_PARAMS, *CK_RC5_CBC_PARAMS_PTR;

typedef struct CK_RC5_MAC_GENERAL_PARAMS {
	CK_ULONG ulWordsize;
	CK_ULONG ulRounds;
	CK_ULONG ulMacLength;
} CK_RC5_MAC_GENERAL_PARAMS, *CK_RC5_MAC_GENERAL_PARAMS_PTR;

typedef struct CK_SKIPJACK_PRIVATE_WRAP_PARAMS {
	CK_ULONG ulPasswordLen;
	CK_BYTE_PTR pPassword;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pPublicData;
	CK_ULONG ulPAndGLen;
	CK_ULONG ulQLen;
	CK_ULONG ulRandomLen;
	CK_BYTE_PTR pRandomA;
	CK_BYTE_PTR pPrimeP;
	CK_BYTE_PTR pBaseG;
	CK_BYTE_PTR pSubprimeQ;
} CK_SKIPJACK_PRIVATE_WRAP_PARAMS, *CK_SKIPJACK_PRIVATE_WRAP_PARAMS_PTR;

typedef struct CK_SKIPJACK_RELAYX_PARAMS {
	CK_ULONG ulOldWrappedXLen;
	CK_BYTE_PTR pOldWrappedX;
	CK_ULONG ulOldPasswordLen;
	CK_BYTE_PTR pOldPassword;
	CK_ULONG ulOldPublicDataLen;
	CK_BYTE_PTR pOldPublicData;
	CK_ULONG ulOldRandomLen;
	CK_BYTE_PTR pOldRandomA;
	CK_ULONG ulNewPasswordLen;
	CK_BYTE_PTR pNewPassword;
	CK_ULONG ulNewPublicDataLen;
	CK_BYTE_PTR pNewPublicData;
	CK_ULONG ulNewRandomLen;
	CK_BYTE_PTR pNewRandomA;
} CK_SKIPJACK_RELAYX_PARAMS, *CK_SKIPJACK_RELAYX_PARAMS_PTR;

typedef struct CK_GOSTR3410_DERIVE_PARAMS {
	CK_EC_KDF_TYPE kdf;
	CK_BYTE_PTR pPublicData;
	CK_ULONG ulPublicDataLen;
	CK_BYTE_PTR pUKM;
	CK_ULONG ulUKMLen;
} CK_GOSTR3410_DERIVE_PARAMS, *CK_GOSTR3410_DERIVE_PARAMS_PTR;

typedef struct CK_GOSTR3410_KEY_WRAP_PARAMS {
	CK_BYTE_PTR pWrapOID;
	CK_ULONG ulWrapOIDLen;
	CK_BYTE_PTR pUKM;
	CK_ULONG ulUKMLen;
	CK_OBJECT_HANDLE hKey;
} CK_GOSTR3410_KEY_WRAP_PARAMS, *CK_GOSTR3410_KEY_WRAP_PARAMS_PTR;


/* --- parameters: signatures with a context (3.2 §6.67 to §6.70) ------------ */

typedef struct CK_SIGN_ADDITIONAL_CONTEXT {
	CK_HEDGE_TYPE hedgeVariant;
	CK_BYTE_PTR pContext;
	CK_ULONG ulContextLen;
} CK_SIGN_ADDITIONAL_CONTEXT, *CK_SIGN_ADDITIONAL_CONTEXT_PTR;

typedef struct CK_HASH_SIGN_ADDITIONAL_CONTEXT {
	CK_HEDGE_TYPE hedgeVariant;
	CK_BYTE_PTR pContext;
	CK_ULONG ulContextLen;
	CK_MECHANISM_TYPE hash;
} CK_HASH_SIGN_ADDITIONAL_CONTEXT, *CK_HASH_SIGN_ADDITIONAL_CONTEXT_PTR;

/* Of the working draft that follows 3.2; its numbers are reserved there. */
typedef struct CK_MU_GEN_PARAMS {
	CK_OBJECT_HANDLE hKey;
	CK_BYTE_PTR pTR;
	CK_ULONG ulTRLen;
	CK_BYTE_PTR pctx;
	CK_ULONG ulctxLen;
} CK_MU_GEN_PARAMS, *CK_MU_GEN_PARAMS_PTR;


/* --- parameters: key derivation (3.2 §6.38 to §6.45, §6.62) ---------------- */

typedef struct CK_KEY_DERIVATION_STRING_DATA {
	CK_BYTE_PTR pData;
	CK_ULONG ulLen;
} CK_KEY_DERIVATION_STRING_DATA, *CK_KEY_DERIVATION_STRING_DATA_PTR;

typedef struct CK_HKDF_PARAMS {
	CK_BBOOL bExtract;
	CK_BBOOL bExpand;
	CK_MECHANISM_TYPE prfHashMechanism;
	CK_ULONG ulSaltType;
	CK_BYTE_PTR pSalt;
	CK_ULONG ulSaltLen;
	CK_OBJECT_HANDLE hSaltKey;
	CK_BYTE_PTR pInfo;
	CK_ULONG ulInfoLen;
} CK_HKDF_PARAMS, *CK_HKDF_PARAMS_PTR;

typedef struct CK_PRF_DATA_PARAM {
	CK_PRF_DATA_TYPE type;
	CK_VOID_PTR pValue;
	CK_ULONG ulValueLen;
} CK_PRF_DATA_PARAM, *CK_PRF_DATA_PARAM_PTR;

typedef struct CK_SP800_108_COUNTER_FORMAT {
	CK_BBOOL bLittleEndian;
	CK_ULONG ulWidthInBits;
} CK_SP800_108_COUNTER_FORMAT, *CK_SP800_108_COUNTER_FORMAT_PTR;

typedef struct CK_SP800_108_DKM_LENGTH_FORMAT {
	CK_SP800_108_DKM_LENGTH_METHOD dkmLengthMethod;
	CK_BBOOL bLittleEndian;
	CK_ULONG ulWidthInBits;
} CK_SP800_108_DKM_LENGTH_FORMAT, *CK_SP800_108_DKM_LENGTH_FORMAT_PTR;

typedef struct CK_SP800_108_KDF_PARAMS {
	CK_SP800_108_PRF_TYPE prfType;
	CK_ULONG ulNumberOfDataParams;
	CK_PRF_DATA_PARAM_PTR pDataParams;
	CK_ULONG ulAdditionalDerivedKeys;
	CK_DERIVED_KEY_PTR pAdditionalDerivedKeys;
} CK_SP800_108_KDF_PARAMS, *CK_SP800_108_KDF_PARAMS_PTR;

typedef struct CK_SP800_108_FEEDBACK_KDF_PARAMS {
	CK_SP800_108_PRF_TYPE prfType;
	CK_ULONG ulNumberOfDataParams;
	CK_PRF_DATA_PARAM_PTR pDataParams;
	CK_ULONG ulIVLen;
	CK_BYTE_PTR pIV;
	CK_ULONG ulAdditionalDerivedKeys;
	CK_DERIVED_KEY_PTR pAdditionalDerivedKeys;
} CK_SP800_108_FEEDBACK_KDF_PARAMS, *CK_SP800_108_FEEDBACK_KDF_PARAMS_PTR;

typedef struct CK_PBE_PARAMS {
	CK_BYTE_PTR pInitVector;
	CK_UTF8CHAR_PTR pPassword;
	CK_ULONG ulPasswordLen;
	CK_BYTE_PTR pSalt;
	CK_ULONG ulSaltLen;
	CK_ULONG ulIteration;
} CK_PBE_PARAMS, *CK_PBE_PARAMS_PTR;

typedef struct CK_PKCS5_PBKD2_PARAMS {
	CK_PKCS5_PBKDF2_SALT_SOURCE_TYPE saltSource;
	CK_VOID_PTR pSaltSourceData;
	CK_ULONG ulSaltSourceDataLen;
	CK_ULONG iterations;
	CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE prf;
	CK_VOID_PTR pPrfData;
	CK_ULONG ulPrfDataLen;
	CK_UTF8CHAR_PTR pPassword;
	CK_ULONG_PTR ulPasswordLen;
} CK_PKCS5_PBKD2_PARAMS, *CK_PKCS5_PBKD2_PARAMS_PTR;

typedef struct CK_PKCS5_PBKD2_PARAMS2 {
	CK_PKCS5_PBKDF2_SALT_SOURCE_TYPE saltSource;
	CK_VOID_PTR pSaltSourceData;
	CK_ULONG ulSaltSourceDataLen;
	CK_ULONG iterations;
	CK_PKCS5_PBKD2_PSEUDO_RANDOM_FUNCTION_TYPE prf;
	CK_VOID_PTR pPrfData;
	CK_ULONG ulPrfDataLen;
	CK_UTF8CHAR_PTR pPassword;
	CK_ULONG ulPasswordLen;
} CK_PKCS5_PBKD2_PARAMS2, *CK_PKCS5_PBKD2_PARAMS2_PTR;

typedef struct CK_IKE_PRF_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bDataAsKey;
	CK_BBOOL bRekey;
	CK_BYTE_PTR pNi;
	CK_ULONG ulNiLen;
	CK_BYTE_PTR pNr;
	CK_ULONG ulNrLen;
	CK_OBJECT_HANDLE hNewKey;
} CK_IKE_PRF_DERIVE_PARAMS, *CK_IKE_PRF_DERIVE_PARAMS_PTR;

typedef struct CK_IKE1_PRF_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bHasPrevKey;
	CK_OBJECT_HANDLE hKeygxy;
	CK_OBJECT_HANDLE hPrevKey;
	CK_BYTE_PTR pCKYi;
	CK_ULONG ulCKYiLen;
	CK_BYTE_PTR pCKYr;
	CK_ULONG ulCKYrLen;
	CK_BYTE keyNumber;
} CK_IKE1_PRF_DERIVE_PARAMS, *CK_IKE1_PRF_DERIVE_PARAMS_PTR;

typedef struct CK_IKE1_EXTENDED_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bHasKeygxy;
	CK_OBJECT_HANDLE hKeygxy;
	CK_BYTE_PTR pExtraData;
	CK_ULONG ulExtraDataLen;
} CK_IKE1_EXTENDED_DERIVE_PARAMS, *CK_IKE1_EXTENDED_DERIVE_PARAMS_PTR;

typedef struct CK_IKE2_PRF_PLUS_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BBOOL bHasSeedKey;
	CK_OBJECT_HANDLE hSeedKey;
	CK_BYTE_PTR pSeedData;
	CK_ULONG ulSeedDataLen;
} CK_IKE2_PRF_PLUS_DERIVE_PARAMS, *CK_IKE2_PRF_PLUS_DERIVE_PARAMS_PTR;


/* --- parameters: TLS and WTLS (3.2 §6.40, §6.41) --------------------------- */

typedef struct CK_SSL3_RANDOM_DATA {
	CK_BYTE_PTR pClientRandom;
	CK_ULONG ulClientRandomLen;
	CK_BYTE_PTR pServerRandom;
	CK_ULONG ulServerRandomLen;
} CK_SSL3_RANDOM_DATA, *CK_SSL3_RANDOM_DATA_PTR;

typedef struct CK_SSL3_MASTER_KEY_DERIVE_PARAMS {
	CK_SSL3_RANDOM_DATA RandomInfo;
	CK_VERSION_PTR pVersion;
} CK_SSL3_MASTER_KEY_DERIVE_PARAMS, *CK_SSL3_MASTER_KEY_DERIVE_PARAMS_PTR;

typedef struct CK_SSL3_KEY_MAT_OUT {
	CK_OBJECT_HANDLE hClientMacSecret;
	CK_OBJECT_HANDLE hServerMacSecret;
	CK_OBJECT_HANDLE hClientKey;
	CK_OBJECT_HANDLE hServerKey;
	CK_BYTE_PTR pIVClient;
	CK_BYTE_PTR pIVServer;
} CK_SSL3_KEY_MAT_OUT, *CK_SSL3_KEY_MAT_OUT_PTR;

typedef struct CK_SSL3_KEY_MAT_PARAMS {
	CK_ULONG ulMacSizeInBits;
	CK_ULONG ulKeySizeInBits;
	CK_ULONG ulIVSizeInBits;
	CK_BBOOL bIsExport;
	CK_SSL3_RANDOM_DATA RandomInfo;
	CK_SSL3_KEY_MAT_OUT_PTR pReturnedKeyMaterial;
} CK_SSL3_KEY_MAT_PARAMS, *CK_SSL3_KEY_MAT_PARAMS_PTR;

typedef struct CK_TLS12_MASTER_KEY_DERIVE_PARAMS {
	CK_SSL3_RANDOM_DATA RandomInfo;
	CK_VERSION_PTR pVersion;
	CK_MECHANISM_TYPE prfHashMechanism;
} CK_TLS12_MASTER_KEY_DERIVE_PARAMS, *CK_TLS12_MASTER_KEY_DERIVE_PARAMS_PTR;

typedef struct CK_TLS12_KEY_MAT_PARAMS {
	CK_ULONG ulMacSizeInBits;
	CK_ULONG ulKeySizeInBits;
	CK_ULONG ulIVSizeInBits;
	CK_BBOOL bIsExport;
	CK_SSL3_RANDOM_DATA RandomInfo;
	CK_SSL3_KEY_MAT_OUT_PTR pReturnedKeyMaterial;
	CK_MECHANISM_TYPE prfHashMechanism;
} CK_TLS12_KEY_MAT_PARAMS, *CK_TLS12_KEY_MAT_PARAMS_PTR;

typedef struct CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS {
	CK_MECHANISM_TYPE prfHashMechanism;
	CK_BYTE_PTR pSessionHash;
	CK_ULONG ulSessionHashLen;
	CK_VERSION_PTR pVersion;
} CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, *CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS_PTR;

typedef struct CK_TLS_PRF_PARAMS {
	CK_BYTE_PTR pSeed;
	CK_ULONG ulSeedLen;
	CK_BYTE_PTR pLabel;
	CK_ULONG ulLabelLen;
	CK_BYTE_PTR pOutput;
	CK_ULONG_PTR pulOutputLen;
} CK_TLS_PRF_PARAMS, *CK_TLS_PRF_PARAMS_PTR;

typedef struct CK_TLS_KDF_PARAMS {
	CK_MECHANISM_TYPE prfMechanism;
	CK_BYTE_PTR pLabel;
	CK_ULONG ulLabelLength;
	CK_SSL3_RANDOM_DATA RandomInfo;
	CK_BYTE_PTR pContextData;
	CK_ULONG ulContextDataLength;
} CK_TLS_KDF_PARAMS, *CK_TLS_KDF_PARAMS_PTR;

typedef struct CK_TLS_MAC_PARAMS {
	CK_MECHANISM_TYPE prfHashMechanism;
	CK_ULONG ulMacLength;
	CK_ULONG ulServerOrClient;
} CK_TLS_MAC_PARAMS, *CK_TLS_MAC_PARAMS_PTR;

typedef struct CK_WTLS_RANDOM_DATA {
	CK_BYTE_PTR pClientRandom;
	CK_ULONG ulClientRandomLen;
	CK_BYTE_PTR pServerRandom;
	CK_ULONG ulServerRandomLen;
} CK_WTLS_RANDOM_DATA, *CK_WTLS_RANDOM_DATA_PTR;

typedef struct CK_WTLS_MASTER_KEY_DERIVE_PARAMS {
	CK_MECHANISM_TYPE DigestMechanism;
	CK_WTLS_RANDOM_DATA RandomInfo;
	CK_BYTE_PTR pVersion;
} CK_WTLS_MASTER_KEY_DERIVE_PARAMS, *CK_WTLS_MASTER_KEY_DERIVE_PARAMS_PTR;

typedef struct CK_WTLS_PRF_PARAMS {
	CK_MECHANISM_TYPE DigestMechanism;
	CK_BYTE_PTR pSeed;
	CK_ULONG ulSeedLen;
	CK_BYTE_PTR pLabel;
	CK_ULONG ulLabelLen;
	CK_BYTE_PTR pOutput;
	CK_ULONG_PTR pulOutputLen;
} CK_WTLS_PRF_PARAMS, *CK_WTLS_PRF_PARAMS_PTR;

typedef struct CK_WTLS_KEY_MAT_OUT {
	CK_OBJECT_HANDLE hMacSecret;
	CK_OBJECT_HANDLE hKey;
	CK_BYTE_PTR pIV;
} CK_WTLS_KEY_MAT_OUT, *CK_WTLS_KEY_MAT_OUT_PTR;

typedef struct CK_WTLS_KEY_MAT_PARAMS {
	CK_MECHANISM_TYPE DigestMechanism;
	CK_ULONG ulMacSizeInBits;
	CK_ULONG ulKeySizeInBits;
	CK_ULONG ulIVSizeInBits;
	CK_ULONG ulSequenceNumber;
	CK_BBOOL bIsExport;
	CK_WTLS_RANDOM_DATA RandomInfo;
	CK_WTLS_KEY_MAT_OUT_PTR pReturnedKeyMaterial;
} CK_WTLS_KEY_MAT_PARAMS, *CK_WTLS_KEY_MAT_PARAMS_PTR;


/* --- parameters: CMS, one-time passwords, CT-KIP (3.2 §6.46 to §6.48) ------ */

typedef struct CK_CMS_SIG_PARAMS {
	CK_OBJECT_HANDLE certificateHandle;
	CK_MECHANISM_PTR pSigningMechanism;
	CK_MECHANISM_PTR pDigestMechanism;
	CK_UTF8CHAR_PTR pContentType;
	CK_BYTE_PTR pRequestedAttributes;
	CK_ULONG ulRequestedAttributesLen;
	CK_BYTE_PTR pRequiredAttributes;
	CK_ULONG ulRequiredAttributesLen;
} CK_CMS_SIG_PARAMS, *CK_CMS_SIG_PARAMS_PTR;

typedef struct CK_OTP_PARAM {
	CK_OTP_PARAM_TYPE type;
	CK_VOID_PTR pValue;
	CK_ULONG ulValueLen;
} CK_OTP_PARAM, *CK_OTP_PARAM_PTR;

typedef struct CK_OTP_PARAMS {
	CK_OTP_PARAM_PTR pParams;
	CK_ULONG ulCount;
} CK_OTP_PARAMS, *CK_OTP_PARAMS_PTR;

typedef struct CK_OTP_SIGNATURE_INFO {
	CK_OTP_PARAM_PTR pParams;
	CK_ULONG ulCount;
} CK_OTP_SIGNATURE_INFO, *CK_OTP_SIGNATURE_INFO_PTR;

typedef struct CK_KIP_PARAMS {
	CK_MECHANISM_PTR pMechanism;
	CK_OBJECT_HANDLE hKey;
	CK_BYTE_PTR pSeed;
	CK_ULONG ulSeedLen;
} CK_KIP_PARAMS, *CK_KIP_PARAMS_PTR;

typedef CK_INTERFACE_PTR *CK_INTERFACE_PTR_PTR;

/* --- the functions (3.2 §5) ----------------------------------------------- */

typedef struct CK_FUNCTION_LIST CK_FUNCTION_LIST, *CK_FUNCTION_LIST_PTR;
typedef struct CK_FUNCTION_LIST_3_0 CK_FUNCTION_LIST_3_0, *CK_FUNCTION_LIST_3_0_PTR;
typedef struct CK_FUNCTION_LIST_3_2 CK_FUNCTION_LIST_3_2, *CK_FUNCTION_LIST_3_2_PTR;
typedef CK_FUNCTION_LIST_PTR *CK_FUNCTION_LIST_PTR_PTR;
typedef CK_FUNCTION_LIST_3_0_PTR *CK_FUNCTION_LIST_3_0_PTR_PTR;
typedef CK_FUNCTION_LIST_3_2_PTR *CK_FUNCTION_LIST_3_2_PTR_PTR;

/* Every function once, as F(name, (arguments)); the order is that of the
 * members of the function lists and may not change. */
/* clang-format off */
#define CK_FUNCTIONS_2_40(F) \
	F(C_Initialize, (CK_VOID_PTR pInitArgs)) \
	F(C_Finalize, (CK_VOID_PTR pReserved)) \
	F(C_GetInfo, (CK_INFO_PTR pInfo)) \
	F(C_GetFunctionList, (CK_FUNCTION_LIST_PTR_PTR ppFunctionList)) \
	F(C_GetSlotList, (CK_BBOOL tokenPresent, CK_SLOT_ID_PTR pSlotList, \
		CK_ULONG_PTR pulCount)) \
	F(C_GetSlotInfo, (CK_SLOT_ID slotID, CK_SLOT_INFO_PTR pInfo)) \
	F(C_GetTokenInfo, (CK_SLOT_ID slotID, CK_TOKEN_INFO_PTR pInfo)) \
	F(C_GetMechanismList, (CK_SLOT_ID slotID, CK_MECHANISM_TYPE_PTR pMechanismList, \
		CK_ULONG_PTR pulCount)) \
	F(C_GetMechanismInfo, (CK_SLOT_ID slotID, CK_MECHANISM_TYPE type, \
		CK_MECHANISM_INFO_PTR pInfo)) \
	F(C_InitToken, (CK_SLOT_ID slotID, CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen, \
		CK_UTF8CHAR_PTR pLabel)) \
	F(C_InitPIN, (CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen)) \
	F(C_SetPIN, (CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pOldPin, CK_ULONG ulOldLen, \
		CK_UTF8CHAR_PTR pNewPin, CK_ULONG ulNewLen)) \
	F(C_OpenSession, (CK_SLOT_ID slotID, CK_FLAGS flags, CK_VOID_PTR pApplication, \
		CK_NOTIFY Notify, CK_SESSION_HANDLE_PTR phSession)) \
	F(C_CloseSession, (CK_SESSION_HANDLE hSession)) \
	F(C_CloseAllSessions, (CK_SLOT_ID slotID)) \
	F(C_GetSessionInfo, (CK_SESSION_HANDLE hSession, CK_SESSION_INFO_PTR pInfo)) \
	F(C_GetOperationState, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pOperationState, \
		CK_ULONG_PTR pulOperationStateLen)) \
	F(C_SetOperationState, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pOperationState, \
		CK_ULONG ulOperationStateLen, CK_OBJECT_HANDLE hEncryptionKey, \
		CK_OBJECT_HANDLE hAuthenticationKey)) \
	F(C_Login, (CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR_PTR pPin, \
		CK_ULONG ulPinLen)) \
	F(C_Logout, (CK_SESSION_HANDLE hSession)) \
	F(C_CreateObject, (CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, \
		CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phObject)) \
	F(C_CopyObject, (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, \
		CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount, \
		CK_OBJECT_HANDLE_PTR phNewObject)) \
	F(C_DestroyObject, (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject)) \
	F(C_GetObjectSize, (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, \
		CK_ULONG_PTR pulSize)) \
	F(C_GetAttributeValue, (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, \
		CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)) \
	F(C_SetAttributeValue, (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, \
		CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)) \
	F(C_FindObjectsInit, (CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, \
		CK_ULONG ulCount)) \
	F(C_FindObjects, (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE_PTR phObject, \
		CK_ULONG ulMaxObjectCount, CK_ULONG_PTR pulObjectCount)) \
	F(C_FindObjectsFinal, (CK_SESSION_HANDLE hSession)) \
	F(C_EncryptInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_Encrypt, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pEncryptedData, CK_ULONG_PTR pulEncryptedDataLen)) \
	F(C_EncryptUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, \
		CK_ULONG ulPartLen, CK_BYTE_PTR pEncryptedPart, \
		CK_ULONG_PTR pulEncryptedPartLen)) \
	F(C_EncryptFinal, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastEncryptedPart, \
		CK_ULONG_PTR pulLastEncryptedPartLen)) \
	F(C_DecryptInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_Decrypt, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedData, \
		CK_ULONG ulEncryptedDataLen, CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen)) \
	F(C_DecryptUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart, \
		CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)) \
	F(C_DecryptFinal, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastPart, \
		CK_ULONG_PTR pulLastPartLen)) \
	F(C_DigestInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism)) \
	F(C_Digest, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen)) \
	F(C_DigestUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, \
		CK_ULONG ulPartLen)) \
	F(C_DigestKey, (CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey)) \
	F(C_DigestFinal, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pDigest, \
		CK_ULONG_PTR pulDigestLen)) \
	F(C_SignInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_Sign, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)) \
	F(C_SignUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)) \
	F(C_SignFinal, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, \
		CK_ULONG_PTR pulSignatureLen)) \
	F(C_SignRecoverInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_SignRecover, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)) \
	F(C_VerifyInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_Verify, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)) \
	F(C_VerifyUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, \
		CK_ULONG ulPartLen)) \
	F(C_VerifyFinal, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, \
		CK_ULONG ulSignatureLen)) \
	F(C_VerifyRecoverInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_VerifyRecover, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, \
		CK_ULONG ulSignatureLen, CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen)) \
	F(C_DigestEncryptUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, \
		CK_ULONG ulPartLen, CK_BYTE_PTR pEncryptedPart, \
		CK_ULONG_PTR pulEncryptedPartLen)) \
	F(C_DecryptDigestUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart, \
		CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)) \
	F(C_SignEncryptUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, \
		CK_ULONG ulPartLen, CK_BYTE_PTR pEncryptedPart, \
		CK_ULONG_PTR pulEncryptedPartLen)) \
	F(C_DecryptVerifyUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart, \
		CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)) \
	F(C_GenerateKey, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phKey)) \
	F(C_GenerateKeyPair, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_ATTRIBUTE_PTR pPublicKeyTemplate, CK_ULONG ulPublicKeyAttributeCount, \
		CK_ATTRIBUTE_PTR pPrivateKeyTemplate, CK_ULONG ulPrivateKeyAttributeCount, \
		CK_OBJECT_HANDLE_PTR phPublicKey, CK_OBJECT_HANDLE_PTR phPrivateKey)) \
	F(C_WrapKey, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey, \
		CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen)) \
	F(C_UnwrapKey, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hUnwrappingKey, CK_BYTE_PTR pWrappedKey, \
		CK_ULONG ulWrappedKeyLen, CK_ATTRIBUTE_PTR pTemplate, \
		CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR phKey)) \
	F(C_DeriveKey, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hBaseKey, CK_ATTRIBUTE_PTR pTemplate, \
		CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR phKey)) \
	F(C_SeedRandom, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen)) \
	F(C_GenerateRandom, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR RandomData, \
		CK_ULONG ulRandomLen)) \
	F(C_GetFunctionStatus, (CK_SESSION_HANDLE hSession)) \
	F(C_CancelFunction, (CK_SESSION_HANDLE hSession)) \
	F(C_WaitForSlotEvent, (CK_FLAGS flags, CK_SLOT_ID_PTR pSlot, CK_VOID_PTR pReserved))

/* added by 3.0: interfaces and sessions, messages */
#define CK_FUNCTIONS_INTERFACE_(F) \
	F(C_GetInterfaceList, (CK_INTERFACE_PTR pInterfacesList, CK_ULONG_PTR pulCount)) \
	F(C_GetInterface, (CK_UTF8CHAR_PTR pInterfaceName, CK_VERSION_PTR pVersion, \
		CK_INTERFACE_PTR_PTR ppInterface, CK_FLAGS flags)) \
	F(C_LoginUser, (CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, \
		CK_UTF8CHAR_PTR pPin, CK_ULONG ulPinLen, CK_UTF8CHAR_PTR pUsername, \
		CK_ULONG ulUsernameLen)) \
	F(C_SessionCancel, (CK_SESSION_HANDLE hSession, CK_FLAGS flags))

#define CK_FUNCTIONS_MESSAGE_(F) \
	F(C_MessageEncryptInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_EncryptMessage, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pAssociatedData, \
		CK_ULONG ulAssociatedDataLen, CK_BYTE_PTR pPlaintext, \
		CK_ULONG ulPlaintextLen, CK_BYTE_PTR pCiphertext, \
		CK_ULONG_PTR pulCiphertextLen)) \
	F(C_EncryptMessageBegin, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pAssociatedData, \
		CK_ULONG ulAssociatedDataLen)) \
	F(C_EncryptMessageNext, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pPlaintextPart, \
		CK_ULONG ulPlaintextPartLen, CK_BYTE_PTR pCiphertextPart, \
		CK_ULONG_PTR pulCiphertextPartLen, CK_FLAGS flags)) \
	F(C_MessageEncryptFinal, (CK_SESSION_HANDLE hSession)) \
	F(C_MessageDecryptInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_DecryptMessage, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pAssociatedData, \
		CK_ULONG ulAssociatedDataLen, CK_BYTE_PTR pCiphertext, \
		CK_ULONG ulCiphertextLen, CK_BYTE_PTR pPlaintext, \
		CK_ULONG_PTR pulPlaintextLen)) \
	F(C_DecryptMessageBegin, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pAssociatedData, \
		CK_ULONG ulAssociatedDataLen)) \
	F(C_DecryptMessageNext, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pCiphertextPart, \
		CK_ULONG ulCiphertextPartLen, CK_BYTE_PTR pPlaintextPart, \
		CK_ULONG_PTR pulPlaintextPartLen, CK_FLAGS flags)) \
	F(C_MessageDecryptFinal, (CK_SESSION_HANDLE hSession)) \
	F(C_MessageSignInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_SignMessage, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)) \
	F(C_SignMessageBegin, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen)) \
	F(C_SignMessageNext, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)) \
	F(C_MessageSignFinal, (CK_SESSION_HANDLE hSession)) \
	F(C_MessageVerifyInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey)) \
	F(C_VerifyMessage, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)) \
	F(C_VerifyMessageBegin, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen)) \
	F(C_VerifyMessageNext, (CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, \
		CK_ULONG ulParameterLen, CK_BYTE_PTR pData, CK_ULONG ulDataLen, \
		CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)) \
	F(C_MessageVerifyFinal, (CK_SESSION_HANDLE hSession))

/* added by 3.2: key encapsulation, signature first, validation, async, authenticated wrap */
#define CK_FUNCTIONS_ENCAPSULATE_(F) \
	F(C_EncapsulateKey, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hPublicKey, CK_ATTRIBUTE_PTR pTemplate, \
		CK_ULONG ulAttributeCount, CK_BYTE_PTR pCiphertext, \
		CK_ULONG_PTR pulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey)) \
	F(C_DecapsulateKey, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hPrivateKey, CK_ATTRIBUTE_PTR pTemplate, \
		CK_ULONG ulAttributeCount, CK_BYTE_PTR pCiphertext, CK_ULONG ulCiphertextLen, \
		CK_OBJECT_HANDLE_PTR phKey))

#define CK_FUNCTIONS_VERIFY_SIGNATURE_(F) \
	F(C_VerifySignatureInit, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hKey, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)) \
	F(C_VerifySignature, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, \
		CK_ULONG ulDataLen)) \
	F(C_VerifySignatureUpdate, (CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, \
		CK_ULONG ulPartLen)) \
	F(C_VerifySignatureFinal, (CK_SESSION_HANDLE hSession))

#define CK_FUNCTIONS_VALIDATION_(F) \
	F(C_GetSessionValidationFlags, (CK_SESSION_HANDLE hSession, \
		CK_SESSION_VALIDATION_FLAGS_TYPE type, CK_FLAGS_PTR pFlags))

#define CK_FUNCTIONS_ASYNC_(F) \
	F(C_AsyncComplete, (CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pFunctionName, \
		CK_ASYNC_DATA_PTR pResult)) \
	F(C_AsyncGetID, (CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pFunctionName, \
		CK_ULONG_PTR pulID)) \
	F(C_AsyncJoin, (CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pFunctionName, \
		CK_ULONG ulID, CK_BYTE_PTR pData, CK_ULONG ulData))

#define CK_FUNCTIONS_WRAP_AUTHENTICATED_(F) \
	F(C_WrapKeyAuthenticated, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey, \
		CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen, \
		CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen)) \
	F(C_UnwrapKeyAuthenticated, (CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, \
		CK_OBJECT_HANDLE hUnwrappingKey, CK_BYTE_PTR pWrappedKey, \
		CK_ULONG ulWrappedKeyLen, CK_ATTRIBUTE_PTR pTemplate, \
		CK_ULONG ulAttributeCount, CK_BYTE_PTR pAssociatedData, \
		CK_ULONG ulAssociatedDataLen, CK_OBJECT_HANDLE_PTR phKey))

#define CK_FUNCTIONS_3_0(F) \
	CK_FUNCTIONS_INTERFACE_(F) \
	CK_FUNCTIONS_MESSAGE_(F)

#define CK_FUNCTIONS_3_2(F) \
	CK_FUNCTIONS_ENCAPSULATE_(F) \
	CK_FUNCTIONS_VERIFY_SIGNATURE_(F) \
	CK_FUNCTIONS_VALIDATION_(F) \
	CK_FUNCTIONS_ASYNC_(F) \
	CK_FUNCTIONS_WRAP_AUTHENTICATED_(F)
/* clang-format on */

/* A prototype and a pointer type (CK_C_Sign) of each. */
#define CK_DECLARE_(name, args) \
	CK_RV name args; \
	typedef CK_RV(*CK_##name) args;
CK_FUNCTIONS_2_40(CK_DECLARE_)
CK_FUNCTIONS_3_0(CK_DECLARE_)
CK_FUNCTIONS_3_2(CK_DECLARE_)

#define CK_MEMBER_(name, args) CK_##name name;
struct CK_FUNCTION_LIST {
	CK_VERSION version;
	CK_FUNCTIONS_2_40(CK_MEMBER_)
};

struct CK_FUNCTION_LIST_3_0 {
	CK_VERSION version;
	CK_FUNCTIONS_2_40(CK_MEMBER_)
	CK_FUNCTIONS_3_0(CK_MEMBER_)
};

struct CK_FUNCTION_LIST_3_2 {
	CK_VERSION version;
	CK_FUNCTIONS_2_40(CK_MEMBER_)
	CK_FUNCTIONS_3_0(CK_MEMBER_)
	CK_FUNCTIONS_3_2(CK_MEMBER_)
};

#ifdef CK_PACKED
#pragma pack(pop, cryptoki)
#endif
#ifdef __cplusplus
}
#endif

#endif
