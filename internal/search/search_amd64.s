#include "textflag.h"

// func findAVX2(p unsafe.Pointer, n, k1, k2 int, probe uint32) int
//
// The first i below n with p[i], p[i+k1] and p[i+k2] the three low bytes of probe, or -1. n is a positive multiple of 32.
TEXT ·findAVX2(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ k1+16(FP), R8
	MOVQ k2+24(FP), R9
	MOVL probe+32(FP), AX
	VMOVD AX, X0 // not MOVQ: an instruction without V costs a hundred nanoseconds once a Y register is in use
	VPBROADCASTB X0, Y0
	SHRL $8, AX
	VMOVD AX, X1
	VPBROADCASTB X1, Y1
	SHRL $8, AX
	VMOVD AX, X2
	VPBROADCASTB X2, Y2
	ADDQ SI, R8
	ADDQ SI, R9
	XORQ DI, DI

loop:
	VPCMPEQB (SI)(DI*1), Y0, Y3
	VPCMPEQB (R8)(DI*1), Y1, Y4
	VPCMPEQB (R9)(DI*1), Y2, Y5
	VPAND Y3, Y4, Y3
	VPAND Y3, Y5, Y3
	VPMOVMSKB Y3, AX
	TESTL AX, AX
	JNZ found
	ADDQ $32, DI
	CMPQ DI, CX
	JLT loop
	VZEROUPPER
	MOVQ $-1, ret+40(FP)
	RET

found:
	BSFL AX, AX
	ADDQ DI, AX
	VZEROUPPER
	MOVQ AX, ret+40(FP)
	RET
