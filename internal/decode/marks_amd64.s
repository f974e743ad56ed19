#include "textflag.h"

// func marksAVX2(p unsafe.Pointer, n int, out *uint64)
//
// Bit i of out is set where byte i of p is a quote, a backslash, a control character or not ASCII. n is a positive multiple of 64.
TEXT ·marksAVX2(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ out+16(FP), DI
	MOVL $0x22, AX
	VMOVD AX, X0
	VPBROADCASTB X0, Y0
	MOVL $0x5c, AX
	VMOVD AX, X1
	VPBROADCASTB X1, Y1
	MOVL $0x20, AX
	VMOVD AX, X2
	VPBROADCASTB X2, Y2

loop:
	VMOVDQU (SI), Y3
	VMOVDQU 32(SI), Y4
	VPCMPEQB Y3, Y0, Y5
	VPCMPEQB Y3, Y1, Y6
	VPCMPGTB Y3, Y2, Y7 // a space is greater than control characters, and than bytes with the high bit, which are negative
	VPCMPEQB Y4, Y0, Y8
	VPCMPEQB Y4, Y1, Y9
	VPCMPGTB Y4, Y2, Y10
	VPOR Y5, Y6, Y5
	VPOR Y8, Y9, Y8
	VPOR Y5, Y7, Y5
	VPOR Y8, Y10, Y8
	VPMOVMSKB Y5, AX
	VPMOVMSKB Y8, BX
	SHLQ $32, BX
	ORQ BX, AX
	MOVQ AX, (DI)
	ADDQ $64, SI
	ADDQ $8, DI
	SUBQ $64, CX
	JNZ loop
	VZEROUPPER
	RET
