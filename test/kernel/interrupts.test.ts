import { describeChecks } from './checks'

describeChecks('interrupts', 'interrupts.py', 240_000)
