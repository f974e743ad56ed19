package shop_test

import "fmt"

func ExampleOpen() {
	fmt.Println("open")
	// Output:
	// open
}

func ExampleTill_Count_many() {
	// Output:
}

func ExampleTill_Sum() {
	fmt.Println(1)
}
