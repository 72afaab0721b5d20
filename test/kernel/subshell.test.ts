import { describeChecks } from './checks'

describeChecks('kernel subshells, over a real kernel', 'subshell.py')
